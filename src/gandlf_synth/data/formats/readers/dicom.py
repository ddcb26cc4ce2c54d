"""Reads DICOM: a file with one or several frames, or a folder that holds one series.

Slices are put in the order of their positions, whatever their files are called. A series number chooses one of several
series in a folder (``study#401``), a number one of several frames that are no volume (``video.dcm#12``).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import FOLDER, Reader, UnreadableError, chosen_number
from gandlf_synth.data.formats.readers.dicom_file import (
    discreet,
    frame_of,
    frames_of,
    is_left_handed,
    kind_of,
    open_dicom,
    quantity_of,
    value_of,
)
from gandlf_synth.data.formats.readers.dicom_places import frame_affines, pixel_spacing
from gandlf_synth.data.formats.readers.dicom_segmentation import is_segmentation, label_planes
from gandlf_synth.data.formats.readers.dicom_values import pixels_of
from gandlf_synth.errors import listing
from gandlf_synth.geometry import Affine, Geometry, picture_geometry

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")
_MARK_BYTES = slice(128, 132)
_SAME_PLACE = 1e-3
_SAME_DIRECTION = 1e-3
_LARGEST_GAP = 1.5
"""Distance of two slices, as a multiple of the usual one, from which one is missing between them."""


class DicomReader(Reader):
    """Reads one file; several frames are a volume where the file says how far apart they lie."""

    suffixes = SUFFIXES
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image, ``(channels, column, row[, slice])``.

        Args:
            path: the file.
            part: the number of a frame, counted from 0.

        Raises:
            UnreadableError: damaged, no image, or several frames that are no volume.
        """
        dataset = open_dicom(path)
        if is_segmentation(dataset):
            return _labels(dataset, path)
        if part:
            return _frame_image(dataset, path, part)
        pixels = pixels_of(dataset, path)
        places = frame_affines(dataset)
        if len(pixels) == 1:
            return _slice_image(pixels[0], dataset, places)
        if places is None or len(places) != len(pixels):
            fix = f"choose one in the CSV: {path.name}#0 to {path.name}#{len(pixels) - 1}"
            what = f"holds {len(pixels):,} frames without positions, or not of one volume"
            raise UnreadableError(what, "one image, or a volume", fix)
        return _volume(list(pixels), places, quantity_of(dataset), frame_of(dataset))

    def recognizes(self, path: Path) -> bool:
        """Say whether the file starts as DICOM does."""
        return is_marked_dicom(path)


def _labels(dataset: "Dataset", path: Path) -> Image:
    labels = label_planes(dataset, path)
    if len(labels.planes) == 1:
        return _slice_image(labels.planes[0], dataset, labels.places)
    return _volume(labels.planes, labels.places, quantity_of(dataset), frame_of(dataset), is_left_handed(dataset))


def is_marked_dicom(path: Path) -> bool:
    """Say whether a file of any name starts as DICOM does (PS3.10, section 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(_MARK_BYTES.stop)[_MARK_BYTES] == b"DICM"
    except OSError:
        return False


def is_dicom(path: Path) -> bool:
    """Say by its name or its start whether a file is DICOM."""
    return path.suffix.lower() in SUFFIXES or is_marked_dicom(path)


def _frame_image(dataset: "Dataset", path: Path, part: str) -> Image:
    frame = chosen_number(part, frames_of(dataset), "frames")
    places = frame_affines(dataset)
    place = [places[frame]] if places and frame < len(places) else None
    return _slice_image(pixels_of(dataset, path)[frame], dataset, place)


class DicomSeriesReader(Reader):
    """Reads a folder of DICOM files that are the slices of one volume."""

    suffixes = (FOLDER,)
    has_parts = True

    def files(self, path: Path) -> list[Path]:
        """Return the visible files of the folder."""
        return _visible_files(path)

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the volume, ``(channels, column, row, slice)``.

        Args:
            path: the folder.
            part: the number of one of several series.

        Raises:
            UnreadableError: no DICOM file, several series, slices missing or on top of one another, or damaged.
        """
        series = series_in(path)
        names = listing(one.name for one in series)
        chosen = [one for one in series if one.number == part] if part else series
        if len(chosen) == 1:
            return _read_series(chosen[0])
        if part:
            raise UnreadableError(f"has {len(chosen) or 'no'} series of number {part}", names)
        fix = "put each into a folder of its own, or name one in the CSV as folder#number"
        raise UnreadableError(f"holds {len(series)} series: {names}", "one series", fix)


def _visible_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


@dataclass(frozen=True)
class Series:
    """The files of one series; what is known of it tells nothing of the patient."""

    number: str
    modality: str
    files: tuple[Path, ...]
    size: str
    placed: bool
    """Whether its images have positions, so that they can be a volume."""
    study: str = ""
    """The StudyInstanceUID, to tell what belongs to one examination; never shown or written."""

    @property
    def name(self) -> str:
        """What identifies the series in a message."""
        return f"#{self.number} ({self.modality or 'modality not stated'}, {len(self.files)} files of {self.size})"


def series_in(folder: Path) -> list[Series]:
    """Return the series of images that lie in a folder, by their numbers; files that are not DICOM are left out.

    Raises:
        UnreadableError: there are none, or a DICOM file is damaged.
    """
    headers: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for file in _visible_files(folder):
        if is_dicom(file):
            header = _header(file)
            if value_of(header, "Rows") is not None:
                headers[str(value_of(header, "SeriesInstanceUID") or "")].append((file, header))
    if not headers:
        raise UnreadableError("is a folder without DICOM images", "a file, or a folder with one DICOM series")
    return sorted((_series(own) for own in headers.values()), key=lambda series: (len(series.number), series.number))


def _header(file: Path) -> "Dataset":
    try:
        return open_dicom(file, header_only=True)
    except UnreadableError as error:
        raise UnreadableError(f"{file.name} {error.what}", error.allowed, error.fix) from None


@discreet()
def _series(headers: Sequence[tuple[Path, "Dataset"]]) -> Series:
    first = headers[0][1]
    written = str(value_of(first, "SeriesNumber") or "")
    number = written if written.isdigit() else "0"
    size = f"{first.get('Columns', 0)}×{first.get('Rows', 0)}"
    placed = all(value_of(header, "ImagePositionPatient") is not None for _, header in headers)
    study = str(value_of(first, "StudyInstanceUID") or "")
    return Series(number, quantity_of(first), tuple(file for file, _ in headers), size, placed, study)


def _read_series(series: Series) -> Image:
    if len(series.files) == 1:
        return DicomReader()(series.files[0])
    slices = _distinct([_slice_of(file) for file in series.files])
    if len(slices) == 1:
        return DicomReader()(series.files[0])
    pixels, places = zip(*((one.pixels, one.place) for one in slices), strict=True)
    return _volume(pixels, places, series.modality, slices[0].frame, slices[0].left_handed)


@dataclass(frozen=True)
class _Slice:
    pixels: Values
    place: Affine
    frame: str
    left_handed: bool


def _distinct(slices: Sequence[_Slice]) -> list[_Slice]:
    """Return each slice once; a file that lies twice in a folder repeats place and values."""
    by_place: dict[tuple[float, ...], list[_Slice]] = defaultdict(list)
    for one in slices:
        same = by_place[tuple(one.place.ravel().tolist())]
        if not any(np.array_equal(one.pixels, other.pixels) for other in same):
            same.append(one)
    return [one for same in by_place.values() for one in same]


def _slice_of(file: Path) -> _Slice:
    try:
        dataset = open_dicom(file)
        pixels = pixels_of(dataset, file)
        places = frame_affines(dataset)
    except UnreadableError as error:
        raise UnreadableError(f"{file.name} {error.what}", error.allowed, error.fix) from None
    if len(pixels) != 1:
        raise UnreadableError(f"{file.name} holds {len(pixels)} frames and is one of several files of a series")
    if not places:
        what = (
            f"{file.name} does not state position, orientation and pixel spacing, so that slices cannot be put in order"
        )
        what = f"{what} ({kind_of(dataset)})"
        raise UnreadableError(what, "slices that can be put in order", "name the files themselves in the CSV")
    return _Slice(pixels[0], places[0], frame_of(dataset), is_left_handed(dataset))


def _slice_image(pixels: Values, dataset: "Dataset", places: Sequence[Affine] | None) -> Image:
    shape = pixels.shape[1:]
    spacing = pixel_spacing(dataset)
    geometry = picture_geometry(shape)
    if places:
        geometry = Geometry(shape, places[0])
    elif spacing:
        affine = geometry.affine.copy()
        affine[:3, :2] *= spacing
        geometry = Geometry(shape, affine)
    return Image.from_file_values(pixels, geometry, quantity_of(dataset), frame_of(dataset))


def _volume(
    slices: Sequence[Values],
    places: Sequence[Affine],
    modality: str,
    frame: str,
    left_handed: bool = False,
) -> Image:
    """Return the volume of ``slices (channels, column, row)``, sorted along their normal.

    Those of a left-handed grid, which only this program writes so that one knows it, run against it.
    """
    sizes = {pixels.shape for pixels in slices}
    if len(sizes) > 1:
        raise UnreadableError(f"holds slices of different sizes: {listing(str(size[1:]) for size in sorted(sizes))}")
    axes = np.stack([place[:3, :3] for place in places])
    if np.abs(axes - axes[0]).max() > _SAME_DIRECTION * np.abs(axes[0]).max():
        raise UnreadableError("holds slices of different orientation or pixel size", "parallel slices of one volume")
    normal = axes[0][:, 2] / np.linalg.norm(axes[0][:, 2])
    heights = np.array([place[:3, 3] @ normal for place in places])
    order = np.argsort(heights, kind="stable")
    _check_gaps(np.diff(heights[order]))
    if left_handed:
        order = order[::-1]
    affine = places[order[0]].copy()
    affine[:3, 2] = (places[order[-1]][:3, 3] - affine[:3, 3]) / (len(slices) - 1)
    values = np.stack([slices[index] for index in order], axis=-1)
    return Image.from_file_values(values, Geometry(values.shape[1:], affine), modality, frame)


def _check_gaps(gaps: NDArray[np.float64]) -> None:
    doubled = int((gaps < _SAME_PLACE).sum())
    if doubled:
        what = f"holds {doubled} slices at the position of another one"
        raise UnreadableError(what, "one slice per position", "separate the echoes or time points")
    usual = float(np.median(gaps))
    if gaps.max() > _LARGEST_GAP * usual:
        what = f"has a gap of {gaps.max():.2f} mm between slices that lie {usual:.2f} mm apart: some are missing"
        raise UnreadableError(what, "evenly spaced slices")
