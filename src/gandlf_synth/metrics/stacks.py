"""Images of a model as stacks of planes, on which 2D measures work."""

import torch
from torch import Tensor

SLICES = 8
_OUTER = 0.7
"""Slices of a volume are taken from this middle share of it."""
_VOLUME_AXES = 5


def stacks(images: Tensor, slices: int = SLICES) -> list[Tensor]:
    """Return the planes of ``images (batch, channels, *shape)`` in [-1, 1], with values in [0, 1].

    Returns:
        One stack of one plane in 2D; in 3D axial, coronal and sagittal slices, evenly spaced about the middle. Each
        stack is ``(batch, slices, channels, rows, columns)``; columns run along x wherever x is in the plane.
    """
    unit = to_unit(images)
    if images.ndim < _VOLUME_AXES:
        return [unit.transpose(-1, -2)[:, None]]
    return [_slices(unit, axis, slices) for axis in (4, 3, 2)]


def to_unit(images: Tensor) -> Tensor:
    """Return ``images`` in [-1, 1] with values in [0, 1]."""
    return ((images.float() + 1) / 2).clamp(0, 1)


def _slices(volumes: Tensor, axis: int, count: int) -> Tensor:
    last = volumes.shape[axis] - 1
    places = torch.linspace((1 - _OUTER) / 2, (1 + _OUTER) / 2, count) * last
    return volumes.index_select(axis, places.round().long()).movedim(axis, 1).transpose(-1, -2)
