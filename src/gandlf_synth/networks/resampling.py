"""Images on coarser and finer grids, in 2D and 3D; all can be differentiated twice."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional


def upsample(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``images (batch, channels, *spatial)`` interpolated linearly to ``shape``."""
    mode = "bilinear" if images.ndim == 4 else "trilinear"
    return functional.interpolate(images, tuple(shape), mode=mode, align_corners=False)


def downsample(images: Tensor) -> Tensor:
    """Return the means of 2×2(×2) voxels, ``ceil(size / 2)`` along each axis."""
    pool: Any = functional.avg_pool2d if images.ndim == 4 else functional.avg_pool3d
    result: Tensor = pool(images, 2, ceil_mode=True, count_include_pad=False)
    return result


def adaptive_avg_pool(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the means of ``images (batch, channels, *spatial)`` over the cells of a grid of ``shape``."""
    if tuple(images.shape[2:]) == tuple(shape):
        return images
    pool: Any = functional.adaptive_avg_pool2d if images.ndim == 4 else functional.adaptive_avg_pool3d
    result: Tensor = pool(images, tuple(shape))
    return result
