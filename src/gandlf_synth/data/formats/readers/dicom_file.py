"""One DICOM file: its header, its values, where its frames lie. Names of patients never leave this module.

pydicom interprets and decodes. Its messages and warnings may quote what a header holds, so they are not passed on.
"""

import logging
import mmap
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers.base import DAMAGE, UnreadableError, check_declared
from gandlf_synth.geometry import LPS_FROM_RAS, Affine

if TYPE_CHECKING:
    from pydicom import Dataset

_HEADER_TAGS = [
    *(
        "SOPClassUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Modality",
        "Rows",
        "Columns",
        "NumberOfFrames",
    ),
    *("SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "InstanceNumber"),
]
"""All that is read of a header when voxels are not wanted; nobody's name is among them."""
_PIXEL_TAGS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_DEFLATED = 2**30
_EXTRA = "pip install 'gandlf-synth[dicom]'"

# Both quote values of the header.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


@contextmanager
def discreet() -> Iterator[None]:
    """Turn what pydicom raises into an error that quotes no header."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        yield
    except InvalidDicomError:
        raise UnreadableError("is not a DICOM file, or damaged at its start") from None
    except (*DAMAGE, BytesLengthException) as error:
        raise _damaged(error) from None
    except BaseException as error:
        # A decoder written in Rust panics with an exception that is no Exception and has no importable name.
        if type(error).__module__ == "pyo3_runtime":
            raise _damaged(error) from None
        raise


def _damaged(error: BaseException) -> UnreadableError:
    return UnreadableError(f"is truncated or damaged ({type(error).__name__} while reading it)")


def open_dicom(path: Path, header_only: bool = False) -> "Dataset":
    """Return the ``pydicom.Dataset`` in a file.

    Args:
        path: the file.
        header_only: leave out voxels, and every element that does not say what the image is.

    Raises:
        UnreadableError: it is no DICOM file, or damaged.
    """
    from pydicom import config, dcmread

    # Warnings of validation quote the values that are not valid.
    config.settings.reading_validation_mode = config.IGNORE
    tags = _HEADER_TAGS if header_only else None
    with discreet():
        _check_inflated(path)
        # Of a map, an element that declares gigabytes reads what is there; of a file, it would take the memory first.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return dcmread(content, stop_before_pixels=header_only, specific_tags=tags)


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that unpacks to more than memory should take; pydicom unpacks it at once."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        start = file.read(4096)
    if _DEFLATED.encode() not in start:
        return
    meta = read_file_meta_info(path)
    content = path.read_bytes()[144 + int(meta.FileMetaInformationGroupLength) :]
    engine, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while content and not engine.eof:
        size += len(engine.decompress(content, 2**20))
        content = engine.unconsumed_tail
        if size > _MOST_DEFLATED:
            raise UnreadableError(f"unpacks to more than {_MOST_DEFLATED:,} bytes", fix="save it without deflation")


@discreet()
def frames_of(dataset: "Dataset") -> int:
    """Return the number of frames that a header states, 1 where it states none."""
    return int(dataset.get("NumberOfFrames") or 1)


@discreet()
def pixels_of(dataset: "Dataset", path: Path) -> Values:
    """Return the values of every frame, ``(frames, channels, column, row)``, in the units of the modality.

    Colours become RGB, MONOCHROME1 is inverted so that large is bright, and the rescale slope and intercept (or the
    modality table, PS3.3 C.11.1) are applied.

    Raises:
        UnreadableError: no image, damaged, implausibly large, or compressed in a way that cannot be read.
    """
    if "Rows" not in dataset or not any(name in dataset for name in _PIXEL_TAGS):
        raise UnreadableError(f"holds no image ({kind_of(dataset)})", "a DICOM file with pixels")
    _check_decoder(dataset)
    _check_size(dataset, path)
    return _values(_by_frame(dataset.pixel_array, dataset), dataset)


@discreet()
def modality_of(dataset: "Dataset") -> str:
    """Return ``CT``, ``MR`` and so on, or nothing where the header says nothing that looks like it."""
    value = str(dataset.get("Modality") or "")
    return value if value.isalpha() and value.isupper() and len(value) <= 8 else ""


@discreet()
def kind_of(dataset: "Dataset") -> str:
    """Return what a file is, such as ``MR Image Storage``."""
    from pydicom.uid import UID

    return UID(str(dataset.get("SOPClassUID", ""))).name or "of no stated kind"


def _check_decoder(dataset: "Dataset") -> None:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UncompressedTransferSyntaxes

    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is None:
        raise UnreadableError("does not say how its pixels are coded (no TransferSyntaxUID)", "DICOM with file meta")
    if syntax in UncompressedTransferSyntaxes:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise UnreadableError(f"is compressed as {syntax.name}, for which there is no decoder", fix=_EXTRA)


def _check_size(dataset: "Dataset", path: Path) -> None:
    sizes = (dataset.Rows, dataset.Columns, dataset.get("NumberOfFrames") or 1, dataset.get("SamplesPerPixel", 1))
    rows, columns, frames, samples = (int(size) for size in sizes)
    if min(rows, columns, frames, samples) < 1:
        raise UnreadableError(f"has an axis without voxels: {frames} frames of {columns} × {rows}")
    declared = rows * columns * frames * samples * max(1, int(dataset.get("BitsAllocated", 8)) // 8)
    check_declared(declared, path.stat().st_size)


def _by_frame(stored: Values, dataset: "Dataset") -> Values:
    """Return ``(frames, channels, column, row)`` of pydicom's ``([frames,] rows, columns[, samples])``."""
    from pydicom.pixels import apply_color_lut

    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
        if stored.dtype == np.uint16 and stored.max(initial=0) > np.iinfo(np.uint8).max:
            stored = (stored >> 8).astype(np.uint8)
    colour = int(dataset.get("SamplesPerPixel", 1)) > 1 or dataset.PhotometricInterpretation == "PALETTE COLOR"
    frames = stored if frames_of(dataset) > 1 else stored[None]
    layers = frames if colour else frames[..., None]
    return layers.transpose(0, 3, 2, 1)


def _values(frames: Values, dataset: "Dataset") -> Values:
    from pydicom.pixels import apply_modality_lut

    if dataset.PhotometricInterpretation == "MONOCHROME1" and frames.dtype.kind in "iu":
        signed = int(dataset.get("PixelRepresentation", 0))
        frames = (-1 - frames) if signed else (2 ** int(dataset.BitsStored) - 1 - frames).astype(frames.dtype)
    per_frame = [group.get("PixelValueTransformationSequence") for group in _frame_groups(dataset)]
    if any(per_frame):
        pairs = zip(frames, per_frame, strict=True)
        return _plain(np.stack([apply_modality_lut(frame, group[0] if group else dataset) for frame, group in pairs]))
    return _plain(apply_modality_lut(frames, dataset))


def _plain(values: Values) -> Values:
    """Return whole numbers as int16 where pydicom made doubles of them, else single precision."""
    if values.dtype != np.float64:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    limits = np.iinfo(np.int16)
    fits = values.min(initial=0) >= limits.min and values.max(initial=0) <= limits.max
    return values.astype(np.int16 if fits and (values == np.rint(values)).all() else np.float32)


def _frame_groups(dataset: "Dataset") -> "list[Dataset]":
    """Return the functional groups of each frame of an enhanced file, those shared by all filled in."""
    from pydicom import Dataset

    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if not shared:
        return groups
    merged = [Dataset() for _ in groups]
    for both, group in zip(merged, groups, strict=True):
        both.update(shared[0])
        both.update(group)
    return merged


@discreet()
def frame_affines(dataset: "Dataset") -> list[Affine] | None:
    """Return where each frame lies: its affine, voxel → mm, RAS+, whose third axis is the plane's normal.

    Plain files state one place; enhanced ones state one per frame, dose grids an offset per frame (PS3.3 C.8.8.3.2).

    Returns:
        One per frame, or None where the file does not say.

    Raises:
        UnreadableError: the places are stated and make no sense.
    """
    groups = _frame_groups(dataset)
    if groups and all("PlanePositionSequence" in group for group in groups):
        return [_enhanced_affine(group) for group in groups]
    if "ImagePositionPatient" not in dataset or "ImageOrientationPatient" not in dataset:
        return None
    first = _plane(dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing)
    offsets = dataset.get("GridFrameOffsetVector")
    if offsets is not None and len(offsets) == frames_of(dataset) and offsets[0] == 0:
        return [_shifted(first, float(offset)) for offset in offsets]
    return [first] if frames_of(dataset) == 1 else None


def _enhanced_affine(group: "Dataset") -> Affine:
    position = group.PlanePositionSequence[0].ImagePositionPatient
    orientation = group.PlaneOrientationSequence[0].ImageOrientationPatient
    return _plane(position, orientation, group.PixelMeasuresSequence[0].PixelSpacing)


def _plane(position: Any, orientation: Any, spacing: Any) -> Affine:
    """Return the affine of one frame (PS3.3 C.7.6.2.1.1, in RAS+ instead of LPS+)."""
    along_row, along_column = np.array(orientation[:3], float), np.array(orientation[3:6], float)
    affine = np.eye(4)
    affine[:3, 0] = along_row * float(spacing[1])
    affine[:3, 1] = along_column * float(spacing[0])
    affine[:3, 2] = np.cross(along_row, along_column)
    affine[:3, 3] = np.array(position, float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnreadableError("states a position, orientation or pixel spacing that spans no plane")
    placed: Affine = LPS_FROM_RAS @ affine
    return placed


def _shifted(affine: Affine, offset: float) -> Affine:
    moved = affine.copy()
    moved[:3, 3] += affine[:3, 2] * offset
    return moved


@discreet()
def pixel_spacing(dataset: "Dataset") -> tuple[float, float] | None:
    """Return the millimetres between columns and between rows where the file states them, for projections too."""
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        if dataset.get(name):
            rows, columns = (float(value) for value in dataset[name].value)
            return (columns, rows) if min(rows, columns) > 0 else None
    return None
