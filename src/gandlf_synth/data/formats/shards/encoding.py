"""In which numbers a store keeps voxels: half the bytes of float32, with a scale per image and channel."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.geometry import Voxels

StoredType = Literal["float16", "int16", "float32"]
STORED_TYPES: tuple[StoredType, ...] = get_args(StoredType)
_LEVELS = 2**16 - 2
"""Steps between the smallest and the largest value in 16 bits, the same number on both sides of the middle."""
_WHOLE_LEVELS = 2**16 - 1
"""The same for whole numbers, which have one more below the middle."""


@dataclass(frozen=True)
class EncodedImage:
    """An image as a store keeps it.

    Args:
        array: ``(channels, *shape)``; ``value = stored · gain + bias``.
        gain, bias: per channel.
        largest_error, square_error: of the values that are read again, as shares of the channel's range; the second
            is the mean of the squares.
    """

    array: Voxels
    gain: NDArray[np.float64]
    bias: NDArray[np.float64]
    largest_error: float
    square_error: float


def encode(values: NDArray[np.float32], stored_type: StoredType) -> EncodedImage:
    """Return ``values (channels, *shape)`` in the numbers of a store, with what that loses.

    ``float16`` keeps 11 binary digits of every value, whatever an outlier makes of the range, and 0 as 0. ``int16``
    divides the range from the smallest to the largest value into 65,534 equal steps; whole numbers that fit are exact.

    Example:
        >>> encode(np.array([[0.0, 50.0, 1000.0]], np.float32), "int16").array.tolist()
        [[-500, -450, 500]]
    """
    channels = len(values)
    if stored_type == "float32":
        return EncodedImage(values, np.ones(channels), np.zeros(channels), 0.0, 0.0)
    flat = values.reshape(channels, -1)
    low, high = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
    if stored_type == "float16":
        gain, bias = _power_of_two(np.maximum(np.abs(low), np.abs(high))), np.zeros(channels)
        stored: Voxels = (values / _per_channel(gain, values)).astype(np.float16)
    else:
        whole = (flat == np.rint(flat)).all(axis=1) & (high - low <= _WHOLE_LEVELS)
        gain = np.where(whole, 1.0, np.where(high > low, (high - low) / _LEVELS, 1.0))
        bias = np.where(whole, np.ceil((low + high) / 2), (low + high) / 2)
        stored = np.rint((values.astype(np.float64) - _per_channel(bias, values)) / _per_channel(gain, values))
        stored = stored.astype(np.int16)
    errors = decode(stored, gain, bias).astype(np.float64) - values
    shares = errors.reshape(channels, -1) / np.where(high > low, high - low, 1.0)[:, None]
    return EncodedImage(stored, gain, bias, float(np.abs(shares).max()), float((shares**2).mean()))


def decode(stored: Voxels, gain: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the values of ``stored (channels, *shape)``."""
    values: NDArray[np.float32] = stored.astype(np.float32)
    if (gain != 1).any():
        values *= _per_channel(gain, values).astype(np.float32)
    if bias.any():
        values += _per_channel(bias, values).astype(np.float32)
    return values


def _power_of_two(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the next power of two above: a scale by which nothing is rounded."""
    scale: NDArray[np.float64] = np.exp2(np.ceil(np.log2(np.where(values > 0, values, 1.0))))
    return scale


def _per_channel(numbers: NDArray[Any], image: Voxels) -> Voxels:
    return numbers[(slice(None), *(None,) * (image.ndim - 1))]
