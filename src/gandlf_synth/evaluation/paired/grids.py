"""Whether two images lie on one grid, and how one is laid like the other, however the axes of their files run."""

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.geometry import Geometry, Voxels

_TOLERANCE = 0.1
"""Share of a voxel by which grids may lie apart: what headers of several formats round."""


def grid_problem(geometry: Geometry, like: Geometry) -> str:
    """Return how a grid differs from another one, empty where it does not; pictures have no place in the patient.

    >>> grid_problem(Geometry((4, 5)), Geometry((4, 6)))
    'has 4×5 voxels instead of 4×6'
    """
    if geometry.spatial_dims != like.spatial_dims:
        return f"has {_size(geometry)} voxels instead of {_size(like)}"
    laid = geometry.reordered(_axes(geometry, like))
    if laid.shape != like.shape:
        return f"has {_size(laid)} voxels instead of {_size(like)}"
    if not (laid.physical and like.physical) or laid.matches(like, _TOLERANCE * min(like.spacing)):
        return ""
    places = (f"({', '.join(f'{value:g}' for value in grid.affine[:3, 3].round(2))})" for grid in (laid, like))
    spacings = (f"{'×'.join(f'{length:.3g}' for length in grid.spacing)} mm" for grid in (laid, like))
    return (
        "lies elsewhere: first voxel at {} instead of {} mm, voxels of {} instead of {}, or its axes run otherwise"
    ).format(*places, *spacings)


def laid_like(image: Image, like: Geometry) -> Image:
    """Return an image with its axes in the order and the directions of another one's; no value changes."""
    axes = _axes(image.geometry, like)
    laid = np.stack([_reordered(channel, axes) for channel in image.array])
    return image.on_grid(
        np.ascontiguousarray(laid), image.geometry.reordered(axes), lambda labels: _reordered(labels, axes)
    )


def canonical(voxels: Voxels, geometry: Geometry) -> Voxels:
    """Return ``voxels (*shape)`` with axes that run as all images' do; see ``Geometry.canonical_axes``."""
    return np.ascontiguousarray(_reordered(voxels, geometry.canonical_axes))


def _axes(geometry: Geometry, like: Geometry) -> Voxels:
    from nibabel.orientations import ornt_transform

    axes: Voxels = ornt_transform(geometry.canonical_axes, like.canonical_axes)
    return axes


def _reordered(voxels: Voxels, axes: Voxels) -> Voxels:
    from nibabel.orientations import apply_orientation

    reordered: Voxels = apply_orientation(voxels, axes)
    return reordered


def _size(geometry: Geometry) -> str:
    return "×".join(map(str, geometry.shape))
