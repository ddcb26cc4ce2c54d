"""Random numbers of a training step that do not depend on how many processes share the batch.

All processes seed torch alike before a step, draw for the images of all of them, and each takes those of its own. A
training on two processes then sees the noise that one process sees which holds all images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Share:
    rank: int = 0
    count: int = 1


_own = _Share()


def share_batches(rank: int, count: int) -> None:
    """Say that this process holds every ``count``-th image of each batch, from the ``rank``-th on."""
    global _own  # noqa: PLW0603
    _own = _Share(rank, count)


def draw_randn(shape: Sequence[int], device: Any = None, *, batch_axis: int = 0) -> Tensor:
    """Return what ``torch.randn`` gives, for the images of this process.

    Args:
        shape: with the images of this process along ``batch_axis``.
        device: of the numbers.
        batch_axis: the axis of the batch.

    Example:
        >>> whole = torch.manual_seed(0) and draw_randn((4, 2))
        >>> share_batches(1, 2)
        >>> own = torch.manual_seed(0) and draw_randn((2, 2))
        >>> share_batches(0, 1)
        >>> torch.equal(own, whole[1::2])
        True
    """
    return _taken(torch.randn(_whole(shape, batch_axis), device=device), batch_axis)


def draw_randn_like(images: Tensor) -> Tensor:
    """Return what ``torch.randn_like`` gives, for the images of this process, ``(batch, …)``."""
    if _own.count == 1:
        return torch.randn_like(images)
    return _taken(torch.randn(_whole(images.shape, 0), device=images.device, dtype=images.dtype), 0)


def draw_rand(shape: Sequence[int], device: Any = None) -> Tensor:
    """Return what ``torch.rand`` gives, for the images of this process, ``(batch, …)``."""
    return _taken(torch.rand(_whole(shape, 0), device=device), 0)


def draw_randint(low: int, high: int, shape: Sequence[int], device: Any = None) -> Tensor:
    """Return what ``torch.randint`` gives, for the images of this process, ``(batch, …)``."""
    return _taken(torch.randint(low, high, _whole(shape, 0), device=device), 0)


def draw_start(count: int, device: Any = None) -> Tensor:
    """Return a number from which ``count`` evenly spread ones of this process lie between those of the others."""
    return torch.rand((), device=device) + _own.rank / (count * _own.count)


def _whole(shape: Sequence[int], batch_axis: int) -> list[int]:
    return [length * _own.count if axis == batch_axis else length for axis, length in enumerate(shape)]


def _taken(numbers: Tensor, batch_axis: int) -> Tensor:
    if _own.count == 1:
        return numbers
    places = torch.arange(_own.rank, numbers.shape[batch_axis], _own.count, device=numbers.device)
    return numbers.index_select(batch_axis, places)
