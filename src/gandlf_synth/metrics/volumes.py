"""Whole volumes on a cube."""

from torch import Tensor
from torch.nn import functional


def on_cube(volumes: Tensor, side: int) -> Tensor:
    """Return ``volumes (batch, channels, x, y, z)`` with ``side`` voxels a side, trilinear with antialiasing.

    Planes first, then across them: torch has antialiasing for two axes at a time, and the three are independent.
    """
    batch, channels, depth = volumes.shape[:3]
    if tuple(volumes.shape[2:]) == (side,) * 3:
        return volumes
    planes = _resized(volumes.flatten(0, 1), (side, side))
    across = _resized(planes.reshape(batch * channels, 1, depth, side * side), (side, side * side))
    return across.reshape(batch, channels, side, side, side)


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
