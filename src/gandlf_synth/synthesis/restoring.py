"""The way back: from what a network makes of an image to the grid, the units and the number type of its file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.geometry import Geometry


@dataclass(frozen=True)
class Origin:
    """What preprocessing started from.

    Args:
        geometry: the grid of the file.
        dtype: its number type.
    """

    geometry: Geometry
    dtype: str


def restored(output: NDArray[np.float32], prepared: Image, origin: Origin, spec: DataSpec) -> NDArray[np.float64]:
    """Return ``output (channels, *spec.shape)``, in [-1, 1], on the grid and in the units of the file.

    Voxels that preprocessing cut away get the smallest value of their channel.

    Args:
        output: what the network made.
        prepared: the image as it was prepared for the network, with what was done to its values and its grid.
        origin: the file.
        spec: the data, with the map from prepared values to [-1, 1].
    """
    axes = (slice(None), *(None,) * (output.ndim - 1))
    as_prepared = (output - np.array(spec.range_offset)[axes]) / np.array(spec.range_scale)[axes]
    values = (as_prepared - prepared.offset[axes]) / prepared.scale[axes]
    return onto(values, prepared.geometry, origin.geometry)


def onto(values: NDArray[Any], old: Geometry, new: Geometry) -> NDArray[np.float64]:
    """Return ``values (channels, *old.shape)`` interpolated linearly at the voxel centres of any grid ``new``."""
    dims = old.spatial_dims
    index = np.linalg.pinv(_square(old)) @ _square(new)
    step, start = index[:dims, :dims], index[:dims, 3]
    seen = np.ones([size + 2 for size in old.shape])
    inside = ndimage.affine_transform(seen, step, start + 1, new.shape, order=0, mode="constant") > 0
    result = np.empty((len(values), *new.shape))
    for channel, target in zip(values, result, strict=True):
        ndimage.affine_transform(channel, step, start, new.shape, target, order=1, mode="nearest")
        target[~inside] = channel.min()
    return result


def _square(geometry: Geometry) -> NDArray[np.float64]:
    """Return the affine of a grid; a picture's third axis is left out, since it has no voxels along it."""
    affine = geometry.affine.copy()
    affine[:3, geometry.spatial_dims : 3] = 0
    return affine


def in_type(values: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Return ``values`` in the number type of the file; whole numbers rounded and kept within their type."""
    kind = np.dtype(dtype)
    if not np.issubdtype(kind, np.integer):
        return values.astype(np.float32)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)
