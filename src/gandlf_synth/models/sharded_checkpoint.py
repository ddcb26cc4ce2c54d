"""The weights of a checkpoint in several files: every process writes and reads its part, in safetensors.

``last.ckpt`` is a small file then, with the name of a folder beside it in which the large tensors lie. Read by one
process, it holds what the checkpoint of one process holds.
"""

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, distributed
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from gandlf_synth.errors import CheckpointError, Problem

SHARDS_KEY = "shards"
"""Where a checkpoint says in which folder beside it its tensors are."""
_PLACE, _SHAPE = "tensor_in_shards", "shape"
_DAMAGE = (AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError)

Tree = Any
"""Dictionaries and lists of tensors and plain values."""
Key = str
"""The way to a tensor in a tree, its steps joined by ``/``."""
Shape = tuple[int, ...]


def write_shards(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the shared tensors of a checkpoint; to be called by all processes that share them.

    Args:
        content: the checkpoint.
        folder: a new folder.

    Returns:
        The rest of the checkpoint, with ``folder`` named in it.
    """
    tensors: dict[Key, Tensor] = {}

    def replaced(key: Key, value: Tree) -> Tree:
        if not isinstance(value, DTensor):
            return value
        tensors[key] = value.detach()
        return {_PLACE: key, _SHAPE: list(value.shape)}

    rest: dict[str, Any] = _mapped(content, replaced)
    save(tensors, storage_writer=HuggingFaceStorageWriter(str(folder), save_distributed=True))
    return {**rest, SHARDS_KEY: folder.name}


def with_shards(
    content: Tree, path: Path, folder: str | None, like: Mapping[Key, Tensor] = MappingProxyType({})
) -> Tree:
    """Return a checkpoint, or a part of one, with its tensors from the folder beside it.

    Args:
        content: what was returned by ``write_shards``, or a checkpoint of one file.
        path: the checkpoint.
        folder: what it says of where its tensors are; None: it has them all.
        like: tensors that are shared as those of the same key shall be; of the others, all is returned.

    Raises:
        CheckpointError: the folder lacks tensors, or is damaged.
    """
    wanted = dict(_places(content))
    tensors = _read(path, str(folder), wanted, like) if wanted else {}

    def replaced(key: Key, value: Tree) -> Tree:
        if _is_place(value):
            return tensors[value[_PLACE]]
        target = like.get(key)
        if not isinstance(value, Tensor) or not isinstance(target, DTensor) or value.shape != target.shape:
            return value
        return _part(value, target)

    return _mapped(content, replaced)


def _read(path: Path, name: str, shapes: Mapping[Key, Shape], like: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    folder = path.with_name(Path(name).name)
    if not folder.is_dir():
        fix = "copy the folder together with the file, or use another checkpoint"
        raise CheckpointError(Problem(str(path), f"has its weights in {folder.name}, which is not beside it", fix=fix))
    try:
        reader = HuggingFaceStorageReader(str(folder))
        known = reader.read_metadata().state_dict_metadata
        tensors = {key: _empty(known[key], shape, like.get(key)) for key, shape in shapes.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it would say that there is only one process
            load(tensors, storage_reader=reader, no_dist=True)
    except (*_DAMAGE, CheckpointException, SafetensorError) as error:
        what = "lacks weights of its checkpoint, or is damaged"
        raise CheckpointError(Problem(str(folder), what, fix="use another checkpoint")) from error
    return tensors


def shards_folder(path: Path, number: str) -> Path:
    """Return the folder beside the checkpoint ``path`` for its shards."""
    return path.with_name(f"{path.stem}.{SHARDS_KEY}-{number}")


def remove_other_shards(path: Path, kept: str | None = None) -> None:
    """Delete the shards of earlier checkpoints of the name ``path``."""
    for folder in path.parent.glob(f"{path.stem}.{SHARDS_KEY}-*"):
        if folder.name != kept:
            shutil.rmtree(folder, ignore_errors=True)


def new_number() -> str:
    """Return the first process's word for a new set of shards, in all processes."""
    from secrets import token_hex

    words = [token_hex(4)]
    distributed.broadcast_object_list(words, src=0)
    return words[0]


def _empty(known: object, shape: Shape, like: Tensor | None) -> Tensor:
    """Return memory for a tensor of which all parts are there; what torch finds no part of it would leave as it is."""
    if not isinstance(known, TensorStorageMetadata):
        raise TypeError("not a tensor")
    parts = {(tuple(chunk.offsets), tuple(chunk.sizes)) for chunk in known.chunks}
    if tuple(known.size) != shape or sum(prod(sizes) for _, sizes in parts) != prod(shape):
        raise ValueError("parts of a tensor are missing")
    if like is not None and like.shape == known.size:
        return torch.empty_like(like, dtype=known.properties.dtype)
    return torch.empty(known.size, dtype=known.properties.dtype)


def _part(whole: Tensor, like: DTensor) -> DTensor:
    """Return ``whole``, which every process has, shared as ``like`` is."""
    sizes, offsets = compute_local_shape_and_global_offset(whole.shape, like.device_mesh, like.placements)
    piece = whole[tuple(slice(at, at + size) for at, size in zip(offsets, sizes, strict=True))]
    return DTensor.from_local(
        piece.to(like.device).contiguous(), like.device_mesh, like.placements, run_check=False,
        shape=whole.shape, stride=like.stride(),
    )  # fmt: skip


def _is_place(value: Tree) -> bool:
    return isinstance(value, dict) and set(value) == {_PLACE, _SHAPE}


def _places(content: Tree) -> Iterator[tuple[Key, Shape]]:
    if _is_place(content):
        yield content[_PLACE], tuple(content[_SHAPE])
    elif isinstance(content, dict):
        for value in content.values():
            yield from _places(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _places(value)


def _mapped(value: Tree, change: Callable[[Key, Tree], Tree], key: Key = "") -> Tree:
    """Return a copy of a tree in which ``change`` had every branch and leaf, the branches last."""
    if isinstance(value, dict) and not _is_place(value):
        value = {name: _mapped(each, change, f"{key}/{name}" if key else str(name)) for name, each in value.items()}
    elif isinstance(value, list):
        value = [_mapped(each, change, f"{key}/{number}") for number, each in enumerate(value)]
    return change(key, value)
