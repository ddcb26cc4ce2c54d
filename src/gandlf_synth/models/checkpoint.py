"""Checkpoints that stand alone: weights, configuration and data facts in one file, read without running any code."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NotRequired, TypedDict, cast

import torch
from pydantic import JsonValue, ValidationError
from torch import Tensor

from gandlf_synth.config import WITHOUT_STARTING_POINT, ModelConfig
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, DataError, Problem, ResourceError
from gandlf_synth.files import atomic_path, parse_json
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.sharded_checkpoint import with_shards
from gandlf_synth.models.trained_weights import merge_trained_changes

FORMAT = 1
DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
"""What torch's reader raises on damaged files."""
_FULL_DISK = ("inline_container", "PytorchStreamWriter", "I/O error", "No space left", "File too large")
HEADER_KEY: Literal["gandlf_synth"] = "gandlf_synth"


CHANGES_OF: Literal["changes_of"] = "changes_of"


class CheckpointHeader(TypedDict):
    """What a checkpoint says of its model; only plain values."""

    format: int
    model_name: str
    model_config: dict[str, JsonValue]
    spec: dict[str, JsonValue]
    init_from: NotRequired[dict[str, JsonValue]]
    """The model that it started from, and under which terms."""
    privacy: NotRequired[dict[str, JsonValue]]
    """What of a privacy budget was spent, and how; absent: the training had none."""
    ema_width: NotRequired[float]
    """The width of the average that the weights are; absent: the usual average."""
    changes_of: NotRequired[str]
    """The digest of the weights to which the file holds changes; absent: it holds all weights."""


class CheckpointContent(TypedDict):
    """What a checkpoint holds; those of a training hold the state of the trainer too."""

    gandlf_synth: CheckpointHeader
    state_dict: dict[str, Tensor]
    global_step: NotRequired[int]
    epoch: NotRequired[int]
    shards: NotRequired[str]
    """The folder beside it in which the tensors are, where several processes wrote it."""


def describe_module(module: GenerativeModule) -> CheckpointHeader:
    """Return what a checkpoint says of ``module``."""
    header: CheckpointHeader = {
        "format": FORMAT,
        "model_name": module.config.model_name,
        "model_config": describe_config(module.config),
        "spec": module.spec.model_dump(mode="json"),
    }
    if module.parent:
        header["init_from"] = dict(module.parent)
    if module.privacy:
        header["privacy"] = dict(module.privacy)
    if module.ema_width is not None:
        header["ema_width"] = module.ema_width
    return header


def describe_config(config: ModelConfig) -> dict[str, JsonValue]:
    """Return a ``model_config`` section as it goes with weights: without the place of the model it started from."""
    section: dict[str, JsonValue] = config.model_dump(mode="json", exclude=WITHOUT_STARTING_POINT)
    return section


def read_checkpoint(
    path: Path, *, with_weights: bool = True, parts: Sequence[str] = ("state_dict",)
) -> CheckpointContent:
    """Return the content of a checkpoint; only tensors and plain values are accepted, no code is run.

    Args:
        path: the checkpoint.
        with_weights: whether weights that lie in a folder beside it, as those of several processes do, are read too.
        parts: which weights those are.

    Raises:
        CheckpointError: it is missing, damaged, not safe to read, or not one of ours.
    """
    where = str(path)
    if not path.is_file():
        raise CheckpointError(Problem(where, "is not a checkpoint file: it does not exist"))
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content: CheckpointContent = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        fix = "it was written by another program, or tampered with; nothing in it was run"
        raise CheckpointError(Problem(where, "holds more than weights and plain values", fix=fix)) from error
    except DAMAGE as error:
        raise CheckpointError(Problem(where, "is damaged and cannot be read", fix="use another checkpoint")) from error
    content = _checked(content, where)
    if with_weights and "shards" in content:
        stored: Any = content
        stored.update(with_shards({part: stored[part] for part in parts if part in stored}, path, content["shards"]))
    return content


def _checked(content: object, where: str) -> CheckpointContent:
    """Return what a checkpoint holds, which anybody may have written, if it has the parts that every reader needs."""
    if not isinstance(content, dict) or not isinstance(content.get(HEADER_KEY), dict):
        raise CheckpointError(Problem(where, "is not a checkpoint of GaNDLF-Synth"))
    header, weights = content[HEADER_KEY], content.get("state_dict")
    version = header.get("format")
    if version != FORMAT:
        raise CheckpointError(Problem(where, f"has checkpoint format {version}", f"format {FORMAT}"))
    parts = {"model_name": str, "model_config": dict, "spec": dict}
    missing = [name for name, kind in parts.items() if not isinstance(header.get(name), kind)]
    if missing or not isinstance(weights, dict) or "model_name" not in header["model_config"]:
        what = f"lacks {', '.join(missing) or 'weights or the name of its model'}"
        raise CheckpointError(Problem(where, what, fix="use another checkpoint"))
    return cast("CheckpointContent", content)


@contextmanager
def weights_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path for weights that takes the place of ``path`` at the end; see ``atomic_path``.

    The libraries that write weights have errors of their own for a disk that takes no more.

    Raises:
        ResourceError: the disk is full or the folder cannot be written; what was there is intact.
    """
    from safetensors import SafetensorError

    with atomic_path(path) as temporary:
        try:
            yield temporary
        except (RuntimeError, SafetensorError) as error:
            if not any(words in str(error) for words in _FULL_DISK):
                raise
            fix = "free some space or choose another folder; what was there before is intact"
            raise ResourceError(Problem(str(path), "cannot be written: the disk is full", fix=fix)) from error


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that stand for weights: their names, sizes, types and values.

    Example:
        >>> weights_digest({"bias": torch.zeros(2)}) == weights_digest({"bias": torch.zeros(2)})
        True
        >>> weights_digest({"bias": torch.zeros(2)}) == weights_digest({"bias": torch.zeros(1, 2)})
        False
    """
    content = hashlib.sha256()
    for name, value in sorted(weights.items()):
        content.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        content.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()[:16]


def write_safetensors(module: GenerativeModule, path: Path) -> None:
    """Write weights, configuration and data facts as one safetensors file; ``load_module`` reads it."""
    from safetensors.torch import save_file

    weights = {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}
    with weights_file(path) as temporary:
        save_file(weights, temporary, metadata={HEADER_KEY: json.dumps(describe_module(module))})


def _read_safetensors(path: Path) -> CheckpointContent:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = (file.metadata() or {}).get(HEADER_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(Problem(str(path), "is damaged and cannot be read")) from error
    if header is None:
        raise CheckpointError(Problem(str(path), "is not a checkpoint of GaNDLF-Synth"))
    try:
        return _checked({HEADER_KEY: parse_json(header, str(path)), "state_dict": weights}, str(path))
    except DataError as error:
        raise CheckpointError(*error.problems) from error


def holds_changes(path: Path) -> bool:
    """Say whether a file holds changes to a model, and not the model."""
    return path.suffix == ".safetensors" and CHANGES_OF in read_checkpoint(path)[HEADER_KEY]


def load_module(path: Path, expected_model: str | None = None) -> GenerativeModule:
    """Return the trained model in ``path``, with its averaged weights, ready to sample.

    Args:
        path: a checkpoint.
        expected_model: the ``model_name`` that the caller's configuration names, if it has one.

    Raises:
        CheckpointError: see ``read_checkpoint``; or it is of another model.
    """
    content = read_checkpoint(path)
    header = content[HEADER_KEY]
    if expected_model is not None and header["model_name"] != expected_model:
        fix = "use the configuration that this model was trained with"
        what = f"holds a {header['model_name']!r} model, but the configuration names {expected_model!r}"
        raise CheckpointError(Problem(str(path), what, fix=fix))
    return module_of(content, str(path))


def module_of(content: CheckpointContent, where: str) -> GenerativeModule:
    """Return the trained model that a checkpoint holds, ready to sample; see ``load_module``.

    Args:
        content: of the checkpoint.
        where: its path, for messages.
    """
    header = content[HEADER_KEY]
    if CHANGES_OF in header:
        what = "holds only what lora has changed of a model, not the model"
        fix = "put them together: gandlf-synth export -m-dir PARENT -ckpt-path FILE -o FOLDER"
        raise CheckpointError(Problem(where, what, fix=fix))
    try:
        module = build_module(header["model_config"], DataSpec.model_validate(header["spec"]))
        module.load_state_dict(content["state_dict"])
        module.parent = header.get("init_from") or {}
        module.privacy = header.get("privacy") or {}
        module.ema_width = header.get("ema_width")
    except (ValidationError, RuntimeError) as error:
        what = f"does not fit this version of {header['model_name']!r}: {_first_fault(error)}"
        raise CheckpointError(Problem(where, what)) from error
    merge_trained_changes(module)
    module.eval()
    return module


def _first_fault(error: ValidationError | RuntimeError) -> str:
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    detail = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return (f"{where}: " if where else "") + detail["msg"].removeprefix("Value error, ")


def checkpoint_description(content: CheckpointContent) -> tuple[dict[str, JsonValue], DataSpec]:
    """Return the resolved ``model_config`` section and the data facts of a checkpoint's content."""
    header = content[HEADER_KEY]
    try:
        return header["model_config"], DataSpec.model_validate(header["spec"])
    except ValidationError as error:
        what = f"describes its data in a way that this version cannot read: {_first_fault(error)}"
        raise CheckpointError(Problem("checkpoint", what)) from error
