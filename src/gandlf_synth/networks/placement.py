"""Turning, scaling and moving of images on their own grid, in 2D and 3D."""

from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth.networks.resampling import grid_sample


def turn(angle: Tensor, dims: int, first: int, second: int) -> Tensor:
    """Return the matrices ``(batch, dims, dims)`` of turns by ``angle (batch,)``, in radians, in a plane of two axes.

    Example:
        >>> turn(torch.tensor([torch.pi / 2]), 2, 0, 1).round().int().tolist()
        [[[0, -1], [1, 0]]]
    """
    matrix = torch.eye(dims, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = angle.cos()
    matrix[:, first, second], matrix[:, second, first] = -angle.sin(), angle.sin()
    return matrix


def place(images: Tensor, matrix: Tensor, shift: Tensor, *, background: float | None) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` seen from another place, in 32 bits; what does not move stays.

    16 bits could not tell neighboring voxels apart.

    Args:
        images: what is moved.
        matrix: turns and scalings about the center, ``(batch, axes, axes)``, in voxels: from new places to old ones.
        shift: of the old places, ``(batch, axes)``, in half sides; axes as torch's grids count them, the last first.
        background: the value outside of the images; None: they go on as in a mirror.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        identity = torch.eye(matrix.shape[-1], device=images.device)
        unmoved = (matrix == identity).flatten(1).all(1) & (shift == 0).all(1)
        sides = images.shape[:1:-1]
        matrix = matrix.clone()
        for row, column in permutations(range(len(sides)), 2):
            matrix[:, row, column] *= sides[column] / sides[row]
        grid = functional.affine_grid(torch.cat([matrix, shift[..., None]], 2), list(images.shape), align_corners=False)
        if background is None:
            moved = grid_sample(images, _mirrored(grid, sides))
        else:
            moved = grid_sample(images - background, grid) + background
        return torch.where(unmoved.view(-1, *[1] * (images.ndim - 1)), images, moved)


def shift_whole_voxels(images: Tensor, voxels: Tensor, *, background: float) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` moved by whole voxels, each value as it was.

    Args:
        images: what is moved.
        voxels: from new places to old ones, whole numbers ``(batch, axes)``, axes as in ``images``.
        background: the value outside of the images.

    Example:
        >>> row = torch.arange(4.0).view(1, 1, 1, 4)
        >>> shift_whole_voxels(row, torch.tensor([[0, 1]]), background=-1.0).tolist()
        [[[[1.0, 2.0, 3.0, -1.0]]]]
    """
    batch, channels, *sides = images.shape
    index = torch.zeros((), dtype=torch.long, device=images.device)
    inside = torch.ones((), dtype=torch.bool, device=images.device)
    for axis, side in enumerate(sides):
        old = torch.arange(side, device=images.device) + voxels[:, axis, None].long()
        old = old.view(batch, *[side if other == axis else 1 for other in range(len(sides))])
        inside = inside & (old >= 0) & (old < side)
        index = index * side + old.clamp(0, side - 1)
    moved = images.flatten(2).gather(2, index.view(batch, 1, -1).expand(-1, channels, -1))
    return torch.where(inside[:, None], moved.view_as(images), background)


def _mirrored(grid: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Return the places inside of the images that stand for those of ``grid``: of a mirror at every border."""
    inside = 1 - ((grid + 1) % 4 - 2).abs()
    middles = [1 - 1 / side for side in sides]  # of the last voxels
    return torch.stack(
        [places.clamp(-middle, middle) for places, middle in zip(inside.unbind(-1), middles, strict=True)], -1
    )
