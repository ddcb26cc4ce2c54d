"""Made-up images for the checkers of transforms and formats."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image
from gandlf_synth.geometry import Geometry

Values = NDArray[np.float64]

_SHAPE = (14, 11, 9)
_SPACING = (1.5, 0.8, 2.0)
_ORIGIN = (-20.0, 13.0, 7.0)


def world_image(spatial_dims: int, num_channels: int = 1) -> Image:
    """Return an image whose values say where its voxels lie.

    The voxels of channel 0 hold ``100 + x + 2 y + 3 z`` with the voxel's place in millimetres, the others multiples of
    it, so that an image on any other grid tells by its values whether its geometry is right. A mask labels the half of
    the image that is brighter.

    Example:
        >>> world_image(2).geometry.spacing
        (1.5, 0.8)
    """
    shape = _SHAPE[:spatial_dims]
    affine = np.diag([-_SPACING[0], _SPACING[1], _SPACING[2], 1.0])
    affine[:3, 3] = _ORIGIN
    geometry = Geometry(shape, affine)
    level = world_values(geometry)
    array = np.stack([level * (channel + 1) for channel in range(num_channels)])
    image = Image.from_file_values(array.astype(np.float32), geometry, "MR")
    mask = (level > np.median(level)).astype(np.int32)
    return replace(image, mask=mask)


def world_values(geometry: Geometry) -> Values:
    """Return what channel 0 of ``world_image`` holds where the voxels of ``geometry`` lie."""
    values: Values = 100 + _places(geometry) @ np.array([1.0, 2.0, 3.0])
    return values


def lies_within(geometry: Geometry, other: Geometry) -> NDArray[np.bool_]:
    """Return which voxels of ``geometry`` lie in ``other``, at least a voxel from its border; ``(*shape,)``."""
    indices = (_places(geometry) - other.affine[:3, 3]) @ np.linalg.inv(other.affine[:3, :3]).T
    inside = np.ones(geometry.shape, bool)
    for axis, length in enumerate(other.shape):
        inside &= (indices[..., axis] >= 1) & (indices[..., axis] <= length - 2)
    return inside


def _places(geometry: Geometry) -> Values:
    """Return the place of every voxel in millimetres, ``(*shape, 3)``."""
    indices = np.stack(np.meshgrid(*(np.arange(length) for length in geometry.shape), indexing="ij"), -1)
    places: Values = indices @ geometry.affine[:3, : geometry.spatial_dims].T + geometry.affine[:3, 3]
    return places
