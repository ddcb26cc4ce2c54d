"""Voxels on another grid."""

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Array, Image, Mask
from gandlf_synth.geometry import Geometry, Voxels


def on_grid(image: Image, new: Geometry) -> Image:
    """Return ``image`` resampled to ``new``, whose orientation and centre are those of the image's own grid."""
    return image.on_grid(
        resample_grid(image.array, image.geometry, new),
        new,
        lambda labels: resample_labels(labels, image.geometry, new),
    )


def resample_labels(labels: Mask, old: Geometry, new: Geometry) -> Mask:
    """Return ``labels (*old.shape)`` at the voxel centres of ``new``, each that of the nearest voxel."""
    from scipy import ndimage

    step, offset = _steps(old, new)
    result: Mask = ndimage.affine_transform(labels, step, offset, new.shape, order=0, mode="nearest")
    return result


def resample_grid(array: Array, old: Geometry, new: Geometry) -> Array:
    """Return ``array (channels, *old.shape)`` interpolated linearly at the voxel centres of ``new``.

    Where voxels grow, the image is smoothed first by a Gaussian of (step - 1) / 2 voxels, so that what is finer than
    the new grid does not alias. Values stay within those of the input; beyond its edge, the edge goes on.
    """
    from scipy import ndimage

    step, offset = _steps(old, new)
    sigma = np.maximum(0, (step - 1) / 2)
    result = np.empty((array.shape[0], *new.shape), np.float32)
    for index, channel in enumerate(array):
        smooth = ndimage.gaussian_filter(channel, sigma, mode="nearest") if sigma.any() else channel
        ndimage.affine_transform(smooth, step, offset, new.shape, result[index], order=1, mode="nearest")
    return result


def resample_onto(values: Voxels, old: Geometry, new: Geometry) -> NDArray[np.float64]:
    """Return ``values (channels, *old.shape)`` interpolated linearly at the voxel centres of any grid ``new``.

    Voxels that lie outside of ``old`` get the smallest value of their channel.
    """
    from scipy import ndimage

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


def touched_voxels(marked: NDArray[np.bool_], old: Geometry, new: Geometry) -> tuple[NDArray[np.bool_], int]:
    """Return the voxels of ``new`` from which ``resample_onto`` makes those that are ``marked`` on ``old``.

    Args:
        marked: ``(*old.shape)``, true where a voxel is marked.
        old: the grid of ``marked``.
        new: any grid.

    Returns:
        ``(*new.shape)``, and how many marked voxels lie outside of ``new``.
    """
    dims = old.spatial_dims
    index = (np.linalg.pinv(_square(new)) @ _square(old))[:dims]
    places = np.argwhere(marked).T
    # Rounding errors must not mark a neighbor where the voxels of both grids coincide.
    at = np.round(index[:, :dims] @ places + index[:, 3:], 4)
    last = np.array(new.shape)[:, None] - 1
    inside = ((at >= -0.5) & (at <= last + 0.5)).all(axis=0)
    touched = np.zeros(new.shape, bool)
    for corner in np.ndindex(*(2,) * dims):
        ends = np.where(np.array(corner)[:, None] == 0, np.floor(at), np.ceil(at)).astype(int)
        touched[tuple(np.clip(ends, 0, last)[:, inside])] = True
    return touched, int((~inside).sum())


def _square(geometry: Geometry) -> NDArray[np.float64]:
    """Return the affine of a grid; a picture's third axis is left out, since it has no voxels along it."""
    affine = geometry.affine.copy()
    affine[:3, geometry.spatial_dims : 3] = 0
    return affine


def _steps(old: Geometry, new: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the voxels of ``old`` between neighbours of ``new``, and where in ``old`` the first of ``new`` lies."""
    step = np.array(new.spacing) / np.array(old.spacing)
    return step, (np.array(old.shape) - 1) / 2 - (np.array(new.shape) - 1) / 2 * step
