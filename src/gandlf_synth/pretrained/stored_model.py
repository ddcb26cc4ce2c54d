"""A trained model as a file holds it: weights, and what is said of them. Reading one runs no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.checkpoint import DAMAGE, HEADER_KEY, load_module
from gandlf_synth.models.checkpoint import describe_module as describe

_NESTED = ("state_dict", "model_state_dict", "model", "network", "net", "autoencoder_state_dict", "unet_state_dict")
"""Under which of its keys a torch file may hold the weights."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What parallel and compiled models write before every name."""


@dataclass(frozen=True)
class StoredModel:
    """What a file holds.

    Args:
        place: the file.
        weights: by the names of whoever wrote it.
        section: the ``model_config`` section of a model of this program; empty for others.
        spec: the data facts of a model of this program; empty for others.
        parent: which model it started from itself, and under which terms; empty where it did not.
        network: what a bundle says of the network: parameters by name; empty where nothing is said.
        scheduler: what a bundle says of its noise scheduler.
    """

    place: Path
    weights: Mapping[str, Tensor]
    section: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    parent: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    scheduler: Mapping[str, Any] = field(default_factory=dict)


def read_stored_model(path: Path) -> StoredModel:
    """Read a safetensors file, a checkpoint of this program, or a torch file of nothing but weights.

    Raises:
        CheckpointError: it is missing, damaged, holds more than weights and plain values, or holds no weights.
    """
    if path.suffix == ".safetensors":
        weights, described = _read_safetensors(path)
    else:
        content = _read_torch(path)
        weights, described = _weights_in(content, str(path)), isinstance(content, Mapping) and HEADER_KEY in content
    if not described:
        return StoredModel(path, weights)
    module = load_module(path)  # changes of low rank are part of its weights then
    header = describe(module)
    return StoredModel(path, module.state_dict(), header["model_config"], header["spec"], module.parent)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], bool]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            described = HEADER_KEY in (file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, described  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(Problem(str(path), "is damaged and cannot be read")) from error


def _read_torch(path: Path) -> object:
    where = str(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        what = "is no file of weights alone: it holds more than tensors and plain values, or is no torch file"
        fix = "save its state_dict() as a safetensors file where it was trained; nothing in it was run"
        raise CheckpointError(
            Problem(where, what, "a safetensors file, or torch.save(model.state_dict())", fix)
        ) from error
    except DAMAGE as error:
        raise CheckpointError(Problem(where, "is damaged and cannot be read")) from error


def _weights_in(content: object, where: str) -> dict[str, Tensor]:
    """Return the weights of a torch file, which may lie under a key of it."""
    if isinstance(content, Mapping):
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return _unwrapped(content)
        inner = [key for key in _NESTED if isinstance(content.get(key), Mapping)]
        if inner:
            tensors = {name: value for name, value in content[inner[0]].items() if isinstance(value, Tensor)}
            if tensors:
                return _unwrapped(tensors)
    what = "holds no weights by name"
    raise CheckpointError(Problem(where, what, f"tensors by name, alone or under one of {', '.join(_NESTED)}"))


def _unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in weights):
            weights = {name.removeprefix(wrapper): value for name, value in weights.items()}
    return dict(weights)
