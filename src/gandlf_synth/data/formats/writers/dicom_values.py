"""Values as a DICOM file stores them: 8 or 16 bits, with one scale and one window for all slices of a series."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Values

if TYPE_CHECKING:
    from pydicom import Dataset

_FURTHEST = 2**15 - 1
"""The largest pixel of the smallest and the largest value; the middle between these is 0."""
_WINDOW = (0.5, 99.5)
"""Percentiles of the values between which a screen shows them."""


@dataclass(frozen=True)
class StoredValues:
    """The values of one series.

    Args:
        pixels: ``(channels, *spatial)``, uint8, uint16 or int16.
        slope, intercept: ``value = pixel · slope + intercept``, numbers that a header holds exactly.
        window: the lowest and the highest value that a screen shows.
    """

    pixels: Values
    slope: float
    intercept: float
    window: tuple[float, float]

    @property
    def is_scaled(self) -> bool:
        """Whether pixels are other numbers than the values."""
        return (self.slope, self.intercept) != (1, 0)


def store(values: Values, *, narrow: bool) -> StoredValues:
    """Return ``values (channels, *spatial)`` as 16-bit pixels.

    Whole numbers that fit are kept. All others are brought to 65,535 equal steps from the smallest to the largest, so
    that no value changes by more than half a step.

    Args:
        values: of any number type.
        narrow: whether 8-bit values may stay in 8 bits.

    Example:
        >>> store(np.array([[0.0, 0.5, 1.0]], np.float32), narrow=False).pixels.tolist()
        [[-32767, 0, 32767]]
    """
    window = _window(values)
    kept = _kept(values, narrow=narrow)
    if kept is not None:
        return StoredValues(kept, 1, 0, window)
    exact = values.astype(np.float64)
    low, high = float(exact.min()), float(exact.max())
    slope = _as_stated((high - low) / 2 / _FURTHEST) or 1.0
    intercept = _as_stated((low + high) / 2)
    pixels = np.clip(np.rint((exact - intercept) / slope), -_FURTHEST, _FURTHEST).astype(np.int16)
    return StoredValues(pixels, slope, intercept, window)


def pixel_elements(plane: NDArray[np.generic], stored: StoredValues) -> "Dataset":
    """Return the elements of the pixels of one slice, ``(channels, columns, rows)``."""
    from pydicom import Dataset
    from pydicom.uid import ExplicitVRLittleEndian

    colour = len(plane) > 1
    pixels = np.ascontiguousarray(plane.transpose(2, 1, 0) if colour else plane[0].T)
    bits = 8 * pixels.dtype.itemsize
    dataset = Dataset()
    dataset.SamplesPerPixel = len(plane)
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if not colour:
        low, high = stored.window
        width = high - low or 1.0
        dataset.WindowCenter, dataset.WindowWidth = decimal((low + high) / 2), decimal(width)
        if width < 1:
            dataset.VOILUTFunction = "LINEAR_EXACT"  # the usual one has no window narrower than 1 (PS3.3 C.11.2.1.2)
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    dataset.file_meta = _file_meta(ExplicitVRLittleEndian)
    return dataset


def decimal(number: float) -> str:
    """Return a number as the 16 characters at most that a header has for it (PS3.5, DS)."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(number)))


def _file_meta(syntax: str) -> "Dataset":
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    return meta


def _as_stated(number: float) -> float:
    return float(decimal(number))


def _kept(values: Values, *, narrow: bool) -> Values | None:
    """Return whole numbers in the type of their sign, None where 16 bits cannot hold them."""
    if values.dtype.kind not in "biu":
        return None
    if narrow and values.dtype in (np.uint8, np.bool_):
        return values.astype(np.uint8)
    target = np.int16 if values.dtype.kind == "i" else np.uint16
    limits = np.iinfo(target)
    fits = limits.min <= values.min(initial=0) and values.max(initial=0) <= limits.max
    return values.astype(target) if fits else None


def _window(values: Values) -> tuple[float, float]:
    low, high = np.percentile(values, _WINDOW)
    if low == high:
        low, high = values.min(), values.max()
    return float(low), float(high)
