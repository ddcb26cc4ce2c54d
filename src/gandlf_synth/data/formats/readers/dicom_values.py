"""The values of a DICOM file, in the units of its modality.

What only tells a screen how to show them never changes the values of a measurement: photometric interpretation,
windows, presentation tables. A projection or a captured picture has no units, so that the photometric interpretation
is all that says which end is bright: there, MONOCHROME1 is inverted (PS3.3 C.7.6.3.1.2).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.data.formats.image import Values, scaled
from gandlf_synth.data.formats.readers.base import UnreadableError, check_declared
from gandlf_synth.data.formats.readers.dicom_file import (
    discreet,
    frame_groups,
    frames_of,
    kind_of,
    modality_of,
    value_of,
)

if TYPE_CHECKING:
    from pydicom import Dataset

MEASURED = frozenset({"CT", "MR", "NM", "PT", "RTDOSE"})
"""Modalities whose numbers are measurements; of all others, projections and pictures, only brightness counts."""
_PIXEL_TAGS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_OPTIONAL = (
    *("NumberOfFrames", "PlanarConfiguration", "PixelRepresentation", "SamplesPerPixel", "PixelPaddingValue"),
    *("SmallestImagePixelValue", "LargestImagePixelValue", "PixelAspectRatio", "ExtendedOffsetTable"),
)
_EXTRA = "pip install 'gandlf-synth[dicom]'"


@discreet()
def pixels_of(dataset: "Dataset", path: Path) -> Values:
    """Return the values of every frame, ``(frames, channels, column, row)``, in the units of the modality.

    Colours become RGB, and the rescale slope and intercept, the modality table (PS3.3 C.11.1) or the scale of a dose
    grid (C.8.8.3) are applied.

    Raises:
        UnreadableError: no image, damaged, implausibly large, or compressed in a way that cannot be read.
    """
    if value_of(dataset, "Rows") is None or not any(name in dataset for name in _PIXEL_TAGS):
        raise UnreadableError(f"holds no image ({kind_of(dataset)})", "a DICOM file with pixels")
    _check_decoder(dataset)
    _check_size(dataset, path)
    _drop_empty(dataset)
    return _values(_by_frame(dataset.pixel_array, dataset), dataset)


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
    sizes = (dataset.Rows, dataset.Columns, frames_of(dataset), value_of(dataset, "SamplesPerPixel") or 1)
    rows, columns, frames, samples = (int(size) for size in sizes)
    if min(rows, columns, frames, samples) < 1:
        raise UnreadableError(f"has an axis without voxels: {frames} frames of {columns} × {rows}")
    declared = rows * columns * frames * samples * max(1, int(value_of(dataset, "BitsAllocated") or 8) // 8)
    check_declared(declared, path.stat().st_size)


def _by_frame(stored: Values, dataset: "Dataset") -> Values:
    """Return ``(frames, channels, column, row)`` of pydicom's ``([frames,] rows, columns[, samples])``."""
    from pydicom.pixels import apply_color_lut
    from pydicom.uid import NuclearMedicineImageStorage

    # The numbers of nuclear medicine are counts, for which a palette only proposes colors (PS3.3 C.8.4.8).
    is_count = str(value_of(dataset, "SOPClassUID")) == NuclearMedicineImageStorage
    is_palette = dataset.PhotometricInterpretation == "PALETTE COLOR" and not is_count
    if is_palette:
        stored = apply_color_lut(stored, dataset)
        if stored.dtype == np.uint16 and stored.max(initial=0) > np.iinfo(np.uint8).max:
            stored = (stored >> 8).astype(np.uint8)
    colour = is_palette or int(dataset.get("SamplesPerPixel", 1)) > 1
    frames = stored if frames_of(dataset) > 1 else stored[None]
    layers = frames if colour else frames[..., None]
    return layers.transpose(0, 3, 2, 1)


def _values(frames: Values, dataset: "Dataset") -> Values:
    """Return ``frames`` in units: by one scale, or by that of each frame of an enhanced file."""
    groups = [value_of(group, "PixelValueTransformationSequence") for group in frame_groups(dataset)]
    scales = [group[0] if group else dataset for group in groups] if any(groups) else [dataset] * len(frames)
    parts = [_in_units(frame, scale, dataset) for frame, scale in zip(frames, scales, strict=True)]
    return np.stack(parts)


def _in_units(frame: Values, scale: "Dataset", dataset: "Dataset") -> Values:
    from pydicom.pixels import apply_modality_lut

    native = frame.astype(frame.dtype.newbyteorder("="), copy=False)
    is_inverted = dataset.PhotometricInterpretation == "MONOCHROME1" and modality_of(dataset) not in MEASURED
    table = value_of(scale, "ModalityLUTSequence")
    if table:
        mapped: Values = apply_modality_lut(native, scale)
        return _subtracted(2 ** int(table[0].LUTDescriptor[2]) - 1, mapped) if is_inverted else mapped
    slope, intercept = _slope_and_intercept(scale)
    return scaled(_inverted(native, dataset) if is_inverted else native, slope, intercept)


def _slope_and_intercept(scale: "Dataset") -> tuple[float, float]:
    """Return what leads from stored numbers to units; what is absent changes nothing."""
    slope = value_of(scale, "RescaleSlope")
    intercept = value_of(scale, "RescaleIntercept")
    if slope is None and intercept is None:
        slope = value_of(scale, "DoseGridScaling")
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)


def _inverted(stored: Values, dataset: "Dataset") -> Values:
    """Return stored numbers with the ends of their range exchanged; real numbers have no such ends."""
    if stored.dtype.kind not in "iu":
        return stored
    if int(dataset.get("PixelRepresentation", 0)):
        return -1 - stored
    return _subtracted(2 ** int(dataset.BitsStored) - 1, stored)


def _subtracted(largest: int, values: Values) -> Values:
    """Return ``largest`` - ``values``, in their type."""
    difference: Values = (largest - values).astype(values.dtype)
    return difference


def _drop_empty(dataset: "Dataset") -> None:
    """Remove the elements that pydicom takes to be stated when they are there and empty."""
    for name in _OPTIONAL:
        if name in dataset and value_of(dataset, name) is None:
            del dataset[name]
