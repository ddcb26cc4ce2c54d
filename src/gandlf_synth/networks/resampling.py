"""Images on coarser and finer grids, in 2D and 3D; all can be differentiated twice.

CUDA has no deterministic derivative for several of torch's functions. Where ``torch.use_deterministic_algorithms`` is
on, the same sums are matrix products, one per axis, and gathers.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

_Kind = Literal["linear", "pairs", "cells"]


def upsample(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` interpolated linearly to ``shape``.

    Example:
        >>> upsample(torch.zeros(1, 3, 4, 4), (9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """
    if _must_be_deterministic(images):
        return by_matrices(images, shape, "linear")
    mode = "bilinear" if images.ndim == 4 else "trilinear"
    return functional.interpolate(images, tuple(shape), mode=mode, align_corners=False)


def downsample(images: Tensor) -> Tensor:
    """Return the means of 2×2(×2) voxels, ``ceil(size / 2)`` along each axis.

    Example:
        >>> downsample(torch.arange(6.0).view(1, 1, 2, 3)).tolist()
        [[[[2.0, 3.5]]]]
    """
    if _must_be_deterministic(images):
        return by_matrices(images, [-(-size // 2) for size in images.shape[2:]], "pairs")
    if images.ndim == 4:
        return functional.avg_pool2d(images, 2, ceil_mode=True, count_include_pad=False)
    return functional.avg_pool3d(images, 2, ceil_mode=True, count_include_pad=False)


def adaptive_avg_pool(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the means of ``images (batch, channels, *spatial)`` over the cells of a grid of ``shape``.

    Example:
        >>> adaptive_avg_pool(torch.arange(4.0).view(1, 1, 2, 2), (1, 2)).tolist()
        [[[[1.0, 2.0]]]]
    """
    if tuple(images.shape[2:]) == tuple(shape):
        return images
    if _must_be_deterministic(images):
        return by_matrices(images, shape, "cells")
    if images.ndim == 4:
        rows, columns = shape
        return functional.adaptive_avg_pool2d(images, (rows, columns))
    first, second, third = shape
    return functional.adaptive_avg_pool3d(images, (first, second, third))


def grid_sample(images: Tensor, grid: Tensor) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` interpolated linearly at places, and 0 outside of the images.

    Args:
        images: what is resampled.
        grid: the places ``(batch, *spatial, axes)`` in [-1, 1], the last axis of the images first, as torch counts.
    """
    if _must_be_deterministic(images):
        return by_gathering(images, grid)
    return functional.grid_sample(images, grid, align_corners=False)


def by_matrices(images: Tensor, shape: Sequence[int], kind: _Kind) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` on a grid of ``shape``, in 32 bits, as one product per axis.

    Args:
        images: what is resampled.
        shape: the new size.
        kind: ``linear`` interpolation, or the means of ``pairs`` of voxels or of the ``cells`` of an adaptive pool.
    """
    with torch.autocast(images.device.type, enabled=False):
        resampled = images.float()
        for axis, size in enumerate(shape, start=2):
            weights = _weights(kind, resampled.shape[axis], size, images.device)
            resampled = (resampled.movedim(axis, -1) @ weights).movedim(-1, axis)
    return resampled.to(images.dtype)


@lru_cache(maxsize=256)
def _weights(kind: _Kind, before: int, after: int, device: torch.device) -> Tensor:
    """Return what every voxel before, a row, gives to every voxel after, a column."""
    with torch.inference_mode(False):
        weights = torch.zeros(before, after)
        for place in range(after):
            if kind == "linear":
                position = max(0.0, (place + 0.5) * before / after - 0.5)
                low = min(int(position), before - 1)
                high, share = min(low + 1, before - 1), position - low
                weights[low, place] += 1 - share
                weights[high, place] += share
                continue
            start = 2 * place if kind == "pairs" else place * before // after
            end = min(start + 2, before) if kind == "pairs" else -(-(place + 1) * before // after)
            weights[start:end, place] = 1 / (end - start)
        return weights.to(device)


def by_gathering(images: Tensor, grid: Tensor) -> Tensor:
    """Return what ``grid_sample`` does, from the corners around every place."""
    sizes = images.shape[:1:-1]  # the grid counts axes from the last
    places = [((grid[..., axis] + 1) * size - 1) / 2 for axis, size in enumerate(sizes)]
    flat = images.flatten(2)
    parts = []
    for corner in product((0, 1), repeat=len(sizes)):
        weight, index, stride = torch.ones_like(places[0]), torch.zeros_like(places[0], dtype=torch.long), 1
        for place, size, step in zip(places, sizes, corner, strict=True):
            voxel = place.floor() + step
            inside = (voxel >= 0) & (voxel < size)
            weight = weight * (1 - (place - voxel).abs()) * inside
            index = index + voxel.clamp(0, size - 1).long() * stride
            stride *= size
        values = flat.gather(2, index.flatten(1)[:, None].expand(-1, images.shape[1], -1))
        parts.append(weight[:, None] * values.view(*images.shape[:2], *grid.shape[1:-1]))
    return torch.stack(parts).sum(0)


def _must_be_deterministic(images: Tensor) -> bool:
    return images.is_cuda and torch.are_deterministic_algorithms_enabled()
