"""Images as a browser shows them: pictures, the slices of a volume in three directions, a volume for the 3D view."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.display import save_png, views
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry, Voxels

_PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""The axis of a canonical volume that the slices of a plane follow one another along."""
_LONGEST = 256
_COLUMNS = 16
_WINDOW = (0.5, 99.5)
"""The percentiles that are shown black and white, of all images of an order together."""


@dataclass(frozen=True)
class Shown:
    """A file to show.

    Args:
        name: the beginning of the names of its pictures.
        title: what it is.
        path: where it is.
    """

    name: str
    title: str
    path: Path


def draw(shown: Sequence[Shown], folder: Path, *, colour: bool) -> dict[str, dict[str, Any]]:
    """Write pictures of files of one kind into ``folder``, all in one window; return what there is of each by its name.

    Args:
        shown: the files.
        folder: for the pictures.
        colour: whether three channels are one picture in colour.
    """
    images = {each.name: read_image(each.path) for each in shown}
    if not images:
        return {}
    low, high = _window(list(images.values()))
    described = {}
    for each in shown:
        image = images[each.name]
        entry: dict[str, Any] = {"title": each.title}
        if image.geometry.spatial_dims == 2:
            tiles = views(image.array, image.geometry, colour=colour, low=low, high=high)
            entry |= {"pictures": list(_tiles(tiles, folder, each.name))}
        else:
            upright = image.canonical()
            entry |= _volume(_grey(upright.array[0], low, high), upright.geometry, folder, each.name)
        described[each.name] = entry
    return described


def _window(images: Sequence[Image]) -> tuple[float, float]:
    if all(image.dtype == "uint8" and not image.geometry.physical for image in images):
        return 0.0, 255.0
    ends = [np.percentile(image.array[np.isfinite(image.array)], _WINDOW) for image in images]
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _tiles(tiles: Sequence[NDArray[np.uint8]], folder: Path, name: str) -> Iterator[str]:
    for number, tile in enumerate(tiles):
        file = f"{name}_{number}.png"
        save_png(Picture.fromarray(np.ascontiguousarray(tile)), folder / file)
        yield file


def _grey(volume: Voxels, low: float, high: float) -> NDArray[np.uint8]:
    shares = np.nan_to_num((volume - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    grey: NDArray[np.uint8] = np.rint(shares.clip(0, 1) * 255).astype(np.uint8)
    return grey


def _volume(grey: NDArray[np.uint8], geometry: Geometry, folder: Path, name: str) -> Mapping[str, Any]:
    """Return the slices and the file of a volume ``(x, y, z)`` whose axes run as in RAS+."""
    steps = [max(1, -(-length // _LONGEST)) for length in grey.shape]
    small = grey[tuple(slice(None, None, step) for step in steps)]
    affine = geometry.affine @ np.diag([*steps, 1])
    file = f"{name}.nii.gz"
    _write_nifti(folder / file, small, affine)
    spacing = np.array(geometry.spacing) * steps
    return {"volume": file, "planes": {plane: _slices(small, spacing, plane, folder, name) for plane in _PLANES}}


def _slices(
    volume: NDArray[np.uint8], spacing: NDArray[np.float64], plane: str, folder: Path, name: str
) -> dict[str, Any]:
    """Write all slices of a plane into one picture, row by row, in the radiological convention of ``display.views``."""
    axis = _PLANES[plane]
    screen = np.flip(volume)  # columns to the patient's left, rows to the back or down
    slices = np.flip(np.moveaxis(screen, axis, 0), 0).transpose(0, 2, 1)  # numbered from left, back, below
    count, height, width = slices.shape
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, height, width), np.uint8)
    padded[:count] = slices
    sheet = padded.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    file = f"{name}_{plane}.png"
    save_png(Picture.fromarray(sheet), folder / file)
    across, down = (np.array([width, height]) * np.delete(spacing, axis)).tolist()
    return {"file": file, "count": count, "columns": columns, "width": width, "height": height,
            "aspect": round(across / down, 4)}  # fmt: skip


def _write_nifti(path: Path, volume: NDArray[np.uint8], affine: NDArray[np.float64]) -> None:
    import nibabel

    write_bytes(path, gzip.compress(nibabel.Nifti1Image(volume, affine).to_bytes(), compresslevel=3, mtime=0))
