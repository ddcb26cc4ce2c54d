"""From what a network makes to what a file holds: units, number type, one array per file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config import Step
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.processing.postprocessing import postprocessed


def to_file_values(image: NDArray[np.float32], spec: DataSpec, steps: Sequence[Step] = ()) -> NDArray[Any]:
    """Return ``image (channels, *shape)`` in the units and the number type of the data, after postprocessing.

    -1 and 1 go back to the values they stood for, the medians over the training images where these differ. Whole
    numbers are rounded and kept within their type.

    Args:
        image: as the network makes it, in [-1, 1].
        spec: the data.
        steps: the postprocessing.
    """
    dtype = np.dtype(spec.dtype)
    values = postprocessed(_restored(image, spec), steps)
    if not np.issubdtype(dtype, np.integer):
        single: NDArray[Any] = values.astype(np.float32)
        return single
    return _whole(values, dtype).astype(dtype)


def to_8_bit(image: NDArray[np.float32], spec: DataSpec, steps: Sequence[Step] = ()) -> NDArray[np.uint8]:
    """Return ``image (channels, *shape)`` as 8-bit grey or colour: the data's own values where they are 8-bit.

    Args:
        image: as the network makes it, in [-1, 1].
        spec: the data.
        steps: the postprocessing, which sees the units of the data.
    """
    if spec.dtype == "uint8":
        own: NDArray[np.uint8] = to_file_values(image, spec, steps)
        return own
    low, high = _ends(image, spec)
    shares = (postprocessed(_restored(image, spec), steps) - low) / (high - low)
    scaled: NDArray[np.uint8] = np.clip(np.rint(shares * 255), 0, 255).astype(np.uint8)
    return scaled


def _ends(image: NDArray[np.float32], spec: DataSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axes = (slice(None), *(None,) * (image.ndim - 1))
    return np.array(spec.low)[axes], np.array(spec.high)[axes]


def _restored(image: NDArray[np.float32], spec: DataSpec) -> NDArray[np.float64]:
    """Return ``image`` in the units of the data, in the steps in which its number type counts."""
    low, high = _ends(image, spec)
    values: NDArray[np.float64] = low + (image.astype(np.float64) + 1) / 2 * (high - low)
    dtype = np.dtype(spec.dtype)
    return _whole(values, dtype) if np.issubdtype(dtype, np.integer) else values


def _whole(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max)


def by_column(values: NDArray[Any], spec: DataSpec) -> list[tuple[str, NDArray[Any]]]:
    """Return the channels of each CSV column with what to add to the file name; nothing for a single column."""
    if len(spec.column_channels) == 1:
        return [("", values)]
    ends = np.cumsum(spec.column_channels)[:-1]
    return [(f"_{name}", part) for name, part in zip(spec.column_names, np.split(values, ends), strict=True)]
