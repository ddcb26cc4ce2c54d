"""Views of an image as a radiologist's screen shows it, ready to be tiled or saved."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from gandlf_synth.geometry import Affine, Geometry, Voxels

View = NDArray[np.uint8]
"""``(rows, columns)`` grey or ``(rows, columns, 3)`` RGB."""

_RGB = 3
_SCREEN = "LPI"
"""The directions in which arrays run before they are shown: columns to the patient's left, rows down or backwards."""


def views(
    voxels: Voxels,
    geometry: Geometry,
    *,
    colour: bool = False,
    low: float = -1.0,
    high: float = 1.0,
    at: tuple[int, ...] | None = None,
) -> list[View]:
    """Return what to show of an image: one view per channel in 2D, three orthogonal ones per channel in 3D.

    Volumes give their middle axial, coronal and sagittal slices. All views follow the radiological convention: the
    patient's right is on the left of the screen; anterior is up in axial views and on the left in sagittal ones;
    superior is up in coronal and sagittal views. A 2D image with a size in millimetres is shown in the same way,
    in the plane that its affine states; with an identity affine that is a transpose and a flip of both axes, as
    ITK-SNAP shows it. Pictures look as in their files. Voxels that are not square are stretched, by repetition.

    Args:
        voxels: ``(channels, *spatial)``, axes ordered as ``geometry`` says.
        geometry: the grid, for orientation and spacing.
        colour: show three channels as one RGB view.
        low: the value shown black.
        high: the value shown white.
        at: the voxel that the slices of a volume go through; None: the middle.
    """
    grey = _to_uint8(voxels, low, high)
    if not geometry.physical and geometry.spatial_dims < 3:
        planes = [grey.transpose(2, 1, 0)]
    else:
        planes = _anatomical_planes(grey, geometry, at)
    if colour and len(grey) == _RGB:
        return planes
    return [plane[..., channel] for channel in range(len(grey)) for plane in planes]


def _to_uint8(voxels: Voxels, low: float, high: float) -> View:
    span = (high - low) or 1.0
    shares = np.nan_to_num((np.asarray(voxels, dtype=np.float32) - low) / span, nan=0.0, posinf=1.0, neginf=0.0)
    view: View = np.rint(shares.clip(0, 1) * 255).astype(np.uint8)
    return view


def _anatomical_planes(grey: View, geometry: Geometry, at: tuple[int, ...] | None) -> list[View]:
    """Return ``(rows, columns, channels)`` per view, of ``(channels, *spatial)``."""
    from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

    volume = np.moveaxis(grey, 0, -1)
    volume = volume if geometry.spatial_dims > 2 else volume[:, :, None]
    own = _orientation(geometry)
    to_screen = ornt_transform(own, axcodes2ornt(_SCREEN))
    shown = apply_orientation(volume, to_screen)
    places = [length // 2 for length in shown.shape[:3]]
    for axis, index in enumerate(at or ()):
        target, direction = to_screen[axis].astype(int)
        places[target] = index if direction > 0 else volume.shape[axis] - 1 - index
    spacing = np.ones(3)
    spacing[own[: geometry.spatial_dims, 0].astype(int)] = geometry.spacing
    across = [2, 1, 0] if geometry.spatial_dims > 2 else [int(own[2, 0])]
    return [_square(_slice(shown, axis, places[axis]), np.delete(spacing, axis)) for axis in across]


def _orientation(geometry: Geometry) -> Voxels:
    """Return nibabel's orientation of the three axes; that of an identity affine where it states none."""
    from nibabel.orientations import io_orientation

    affine: Affine = geometry.affine.copy()
    if geometry.spatial_dims == 2:
        affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
    found: Voxels = io_orientation(affine if np.isfinite(affine).all() else np.eye(4))
    return found if np.isfinite(found).all() else io_orientation(np.eye(4))


def _slice(volume: View, axis: int, place: int) -> View:
    """Return the slice across ``axis`` at ``place`` with rows running down the screen."""
    plane: View = np.take(volume, place, axis=axis)
    return plane.swapaxes(0, 1)


def _square(plane: View, spacing: NDArray[np.float64]) -> View:
    """Repeat rows or columns so that a millimetre is as long in both directions.

    Args:
        plane: ``(rows, columns, channels)``.
        spacing: between columns and between rows, in millimetres.
    """
    smallest = float(spacing.min())
    if not np.isfinite(spacing).all() or smallest <= 0:
        return plane
    columns, rows = (max(1, round(n * s / smallest)) for n, s in zip(plane.shape[1::-1], spacing.tolist(), strict=True))
    if (rows, columns) == plane.shape[:2]:
        return plane
    channels = [Picture.fromarray(np.ascontiguousarray(plane[..., c])) for c in range(plane.shape[2])]
    resized = [np.asarray(channel.resize((columns, rows), Picture.Resampling.NEAREST)) for channel in channels]
    return np.stack(resized, axis=-1)
