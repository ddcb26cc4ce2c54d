"""Volumes as stacks of planes, and planes and volumes in another size: one way for every measure."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

STACKS = ("axial", "coronal", "sagittal")
"""The directions in which a volume is cut, in the order of the stacks."""
SLICES = 8
_OUTER = 0.7
"""Slices of a volume are taken from this middle share of it."""
_VOLUME_AXES = 5


def to_unit(images: Tensor) -> Tensor:
    """Return ``images`` in [-1, 1] with values in [0, 1].

    >>> to_unit(torch.tensor([-1.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return ((images.float() + 1) / 2).clamp(0, 1)


def slice_places(length: int, count: int) -> list[int]:
    """Return ``count`` places of slices in ``length``, evenly spaced and symmetrical about the middle.

    >>> slice_places(101, 3)
    [15, 50, 85]
    """
    last = length - 1
    shares = np.linspace((1 - _OUTER) / 2, (1 + _OUTER) / 2, count) if count > 1 else np.array([0.5])
    places: list[int] = np.rint(shares * last).astype(int).tolist()
    return places


def cut_stacks(images: Tensor, slices: int = SLICES) -> list[Tensor]:
    """Return the planes of ``images (batch, channels, *shape)``, on which 2D measures work.

    Returns:
        One stack of one plane in 2D; in 3D the stacks of ``STACKS``. Each stack is
        ``(batch, slices, channels, rows, columns)``; columns run along x wherever x is in the plane.

    >>> [tuple(stack.shape) for stack in cut_stacks(torch.zeros(2, 1, 10, 20, 30), slices=4)]
    [(2, 4, 1, 20, 10), (2, 4, 1, 30, 10), (2, 4, 1, 30, 20)]
    """
    if images.ndim < _VOLUME_AXES:
        return [images.transpose(-1, -2)[:, None]]
    return [_slices(images, axis, slices) for axis in (4, 3, 2)]


def _slices(volumes: Tensor, axis: int, count: int) -> Tensor:
    places = torch.tensor(slice_places(volumes.shape[axis], count), device=volumes.device)
    return volumes.index_select(axis, places).movedim(axis, 1).transpose(-1, -2)


def resize_planes(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``planes (batch, channels, rows, columns)`` in ``size``, bilinear with antialiasing.

    >>> resize_planes(torch.ones(1, 1, 8, 8), (4, 2)).shape
    torch.Size([1, 1, 4, 2])
    """
    if tuple(planes.shape[-2:]) == size:
        return planes
    return functional.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)


def resize_volumes(volumes: Tensor, side: int) -> Tensor:
    """Return ``volumes (batch, channels, x, y, z)`` as cubes of ``side`` voxels, trilinear with antialiasing.

    Planes first, then across them: torch has antialiasing for two axes at a time, and the three are independent.

    >>> resize_volumes(torch.ones(1, 1, 8, 6, 4), 4).shape
    torch.Size([1, 1, 4, 4, 4])
    """
    batch, channels, depth = volumes.shape[:3]
    if tuple(volumes.shape[2:]) == (side,) * 3:
        return volumes
    planes = resize_planes(volumes.flatten(0, 1), (side, side))
    across = resize_planes(planes.reshape(batch * channels, 1, depth, side * side), (side, side * side))
    return across.reshape(batch, channels, side, side, side)
