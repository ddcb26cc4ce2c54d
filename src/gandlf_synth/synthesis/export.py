"""From what a network makes to what a file holds: units, number type, one array per file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.spec import DataSpec


def to_file_values(image: NDArray[np.float32], spec: DataSpec) -> NDArray[Any]:
    """Return ``image (channels, *shape)`` in the units and the number type of the data.

    -1 and 1 go back to the values they stood for, the medians over the training images where these differ. Whole
    numbers are rounded and kept within their type.
    """
    axes = (slice(None), *(None,) * (image.ndim - 1))
    low, high = np.array(spec.low)[axes], np.array(spec.high)[axes]
    values = low + (image.astype(np.float64) + 1) / 2 * (high - low)
    dtype = np.dtype(spec.dtype)
    if not np.issubdtype(dtype, np.integer):
        single: NDArray[Any] = values.astype(np.float32)
        return single
    limits = np.iinfo(dtype)
    rounded: NDArray[Any] = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return rounded


def to_8_bit(image: NDArray[np.float32], spec: DataSpec) -> NDArray[np.uint8]:
    """Return ``image (channels, *shape)`` as 8-bit grey or colour: the data's own values where they are 8-bit."""
    if spec.dtype == "uint8":
        own: NDArray[np.uint8] = to_file_values(image, spec)
        return own
    scaled: NDArray[np.uint8] = np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)
    return scaled


def by_column(values: NDArray[Any], spec: DataSpec) -> list[tuple[str, NDArray[Any]]]:
    """Return the channels of each CSV column with what to add to the file name; nothing for a single column."""
    if len(spec.column_channels) == 1:
        return [("", values)]
    ends = np.cumsum(spec.column_channels)[:-1]
    return [(f"_{name}", part) for name, part in zip(spec.column_names, np.split(values, ends), strict=True)]
