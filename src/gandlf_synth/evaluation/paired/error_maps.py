"""Where a reconstruction errs: as an image on the grid of the original, and as a picture beside both."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.writers.nifti import NiftiWriter
from gandlf_synth.display.planes import View, views
from gandlf_synth.evaluation.paired.images import PairImages
from gandlf_synth.geometry import Geometry
from gandlf_synth.metrics.paired.base import Array

_GAP = 4
_STRONG = 99.5
"""Percentile of the errors that is shown in full color."""


def write_error_map(images: PairImages, place: Path, about: Mapping[str, object]) -> list[Path]:
    """Write reconstruction minus original in the units of the data, one file per channel; return the files.

    Args:
        images: the pair.
        place: folder and beginning of the names.
        about: the provenance.
    """
    writer = NiftiWriter()
    error = images.error
    paths = []
    for number in range(len(error)):
        ending = "" if len(error) == 1 else f"_channel_{number}"
        path = place.with_name(f"{place.name}{ending}{writer.suffix}")
        writer(path, error[number : number + 1], images.original.geometry, about)
        paths.append(path)
    return paths


def error_picture(images: PairImages) -> NDArray[np.uint8]:
    """Return original, reconstruction and errors of the first channel side by side, ``(rows, columns, 3)``.

    Volumes are shown in three planes through the largest error, blurred a little. Red: too bright; blue: too dark.
    """
    original = images.original.array[:1]
    error = images.error[:1]
    low, high = (float(value) for value in np.percentile(original, (0.5, 99.5)))
    limit = float(np.percentile(np.abs(error[error != 0]), _STRONG)) if error.any() else 1.0
    at = _worst_place(error[0])
    geometry = images.original.geometry
    grey = [_planes(array[:1], geometry, low, high, at) for array in (original, images.reconstruction.array)]
    signed = _planes(error, geometry, -limit, limit, at)
    rows = [
        np.concatenate([*map(_as_rgb, row), _as_colors(plane)], axis=1)
        for *row, plane in zip(*grey, signed, strict=True)
    ]
    return _stacked(rows)


def _planes(voxels: Array, geometry: Geometry, low: float, high: float, at: tuple[int, ...]) -> list[View]:
    return views(voxels, geometry, low=low, high=high, at=at)


def _worst_place(error: Array) -> tuple[int, ...]:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(np.abs(error), 1.5)
    return tuple(int(index) for index in np.unravel_index(int(blurred.argmax()), blurred.shape))


def _as_rgb(plane: View) -> View:
    padded = np.pad(plane, ((0, 0), (0, _GAP)), constant_values=255)
    return np.repeat(padded[..., None], 3, axis=2)


def _as_colors(plane: View) -> View:
    """Return a plane in which 127 is no error in white, red above and blue below."""
    share = (plane.astype(np.float64) - 127.5) / 127.5
    strength = np.abs(share)[..., None]
    color = np.where(share[..., None] > 0, (190.0, 20.0, 20.0), (20.0, 60.0, 190.0))
    mixed: View = np.rint(255 * (1 - strength) + color * strength).astype(np.uint8)
    return mixed


def _stacked(rows: list[View]) -> View:
    widest = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, _GAP), (0, widest - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate(padded, axis=0)
