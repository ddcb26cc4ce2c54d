"""Between the units of the files and the [-1, 1] in which models work, in both directions.

A file's value becomes a prepared value by the preprocessing, which is on record in ``Image.scale`` and
``Image.offset``; a prepared value becomes what the network sees by the ``ValueRange`` of the training data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.recorded_scale import RecordedScale
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.processing.postprocessing import postprocessed
from gandlf_synth.geometry import Voxels

if TYPE_CHECKING:
    from torch import Tensor

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ValueRange:
    """The map of prepared values to [-1, 1], one for the whole data set.

    Args:
        scale, offset: per channel; ``network value = prepared value · scale + offset``.

    Example:
        >>> ct = ValueRange(np.array([0.002]), np.array([0.0]))
        >>> ct.to_network(np.array([[-1000, 0, 250]], np.float32)).tolist()
        [[-1.0, 0.0, 0.5]]
        >>> ct.from_network(np.array([[-1.0, 0.0, 0.5]])).tolist()
        [[-500.0, 0.0, 250.0]]
    """

    scale: Values
    offset: Values

    @classmethod
    def of(cls, spec: DataSpec) -> Self:
        """Return the map of a model's images that it was trained with."""
        return cls(np.array(spec.range_scale), np.array(spec.range_offset))

    @classmethod
    def with_sources(cls, spec: DataSpec) -> Self:
        """Return the map of a model's images and, after them, of what they are made from."""
        return cls(
            np.array([*spec.range_scale, *spec.source_scale]), np.array([*spec.range_offset, *spec.source_offset])
        )

    def to_network(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``prepared (channels, *shape)`` mapped and clipped to [-1, 1]."""
        scale, offset = (_per_channel(ends.astype(np.float32), prepared) for ends in (self.scale, self.offset))
        mapped: NDArray[np.float32] = prepared * scale + offset
        np.clip(mapped, -1, 1, out=mapped)
        return mapped

    def tensor_to_network(self, prepared: "Tensor") -> "Tensor":
        """Return ``prepared (batch, channels, *shape)`` mapped and clipped to [-1, 1], in its own memory."""
        import torch

        for ends, change in ((self.scale, prepared.mul_), (self.offset, prepared.add_)):
            change(torch.from_numpy(ends.astype(np.float32)).view(-1, *(1,) * (prepared.ndim - 2)))
        return prepared.clamp_(-1, 1)

    def from_network(self, image: Voxels) -> Values:
        """Return ``image (channels, *shape)``, as a network makes it, in prepared values."""
        values: Values = (image - _per_channel(self.offset, image)) / _per_channel(self.scale, image)
        return values

    def file_values(self, samples: PreparedSamples, network_value: float) -> tuple[float, ...]:
        """Return per channel the value in the files' units that ``network_value`` stands for; median over samples."""
        prepared = (network_value - self.offset) / self.scale
        values = (prepared - samples.values("offset")) / samples.values("scale")
        return tuple(np.nanmedian(values, axis=0).tolist())


def fit_value_range(samples: PreparedSamples) -> ValueRange:
    """Return the map that brings the training data to [-1, 1].

    The whole range of the data is used, unless rare extremes (beyond the 0.1 % tails) would waste a fifth of it.
    """
    low, low_tail = (np.nanmin(samples.values(side), axis=0) for side in ("low", "low_tail"))
    high, high_tail = (np.nanmax(samples.values(side), axis=0) for side in ("high", "high_tail"))
    wasteful = (high - low) > 1.25 * (high_tail - low_tail)
    low, high = np.where(wasteful, low_tail, low), np.where(wasteful, high_tail, high)
    scale = 2 / np.where(high > low, high - low, 1.0)
    return ValueRange(scale, -1 - low * scale)


def undo_preprocessing(image: Voxels, prepared: Image, spec: DataSpec) -> Values:
    """Return ``image (channels, *shape)``, as a network makes it of ``prepared``, in the units of its file."""
    values = ValueRange.of(spec).from_network(image)
    scale, offset = (_per_channel(numbers[: len(image)], image) for numbers in (prepared.scale, prepared.offset))
    restored: Values = (values - offset) / scale
    return restored


def to_file_values(image: NDArray[np.float32], spec: DataSpec, steps: Sequence[Step] = ()) -> Voxels:
    """Return a synthetic ``image (channels, *shape)`` in the units and the number type of the data.

    -1 and 1 go back to the values they stood for, the medians over the training images where these differ. Whole
    numbers are rounded and kept within their type.

    Args:
        image: as the network makes it, in [-1, 1].
        spec: the data.
        steps: the postprocessing.
    """
    return in_number_type(postprocessed(_synthetic_values(image, spec), steps), spec.dtype)


def to_8_bit(image: NDArray[np.float32], spec: DataSpec, steps: Sequence[Step] = ()) -> NDArray[np.uint8]:
    """Return a synthetic ``image (channels, *shape)`` as 8-bit grey or colour; data of 8 bits keeps its values.

    Args:
        image: as the network makes it, in [-1, 1].
        spec: the data.
        steps: the postprocessing, which sees the units of the data.
    """
    if spec.dtype == "uint8":
        values: NDArray[np.uint8] = to_file_values(image, spec, steps)
        return values
    recorded = picture_scale(spec)
    scale, offset = (_per_channel(np.array(numbers), image) for numbers in (recorded.scale, recorded.offset))
    grey = (postprocessed(_synthetic_values(image, spec), steps) - offset) / scale
    picture: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return picture


def picture_scale(spec: DataSpec) -> RecordedScale:
    """Return how the values that ``to_8_bit`` gives relate to those of the data."""
    if spec.dtype == "uint8":
        return data_scale(spec)
    low, high = np.array(spec.low), np.array(spec.high)
    scale = np.where(high > low, high - low, 1.0) / 255
    return RecordedScale(scale=tuple(scale.tolist()), offset=spec.low, number_type=spec.dtype)


def data_scale(spec: DataSpec) -> RecordedScale:
    """Return what is recorded of values in the units of the data."""
    ones, zeros = (1.0,) * spec.num_channels, (0.0,) * spec.num_channels
    return RecordedScale(scale=ones, offset=zeros, number_type=spec.dtype)


def in_number_type(values: Values, number_type: str) -> Voxels:
    """Return ``values`` in a number type; whole numbers are rounded and kept within it, others are float32.

    Example:
        >>> in_number_type(np.array([-3.0, 12.6, 300.0]), "uint8")
        array([  0,  13, 255], dtype=uint8)
    """
    dtype = np.dtype(number_type)
    if not np.issubdtype(dtype, np.integer):
        return values.astype(np.float32)
    return _rounded(values, dtype).astype(dtype)


def _synthetic_values(image: NDArray[np.float32], spec: DataSpec) -> Values:
    """Return ``image`` in the units of the data, in the steps in which its number type counts."""
    low, high = (_per_channel(np.array(ends), image) for ends in (spec.low, spec.high))
    values: Values = low + (image.astype(np.float64) + 1) / 2 * (high - low)
    dtype = np.dtype(spec.dtype)
    return _rounded(values, dtype) if np.issubdtype(dtype, np.integer) else values


def _rounded(values: Values, dtype: np.dtype[Any]) -> Values:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max)


def _per_channel(numbers: Voxels, image: Voxels) -> Voxels:
    """Return a number per channel, shaped so that it meets ``image (channels, *shape)``."""
    return numbers[(slice(None), *(None,) * (image.ndim - 1))]


def windowed(image: Voxels, low: Any, high: Any) -> NDArray[np.float32]:
    """Return ``image`` with ``low`` at -1 and ``high`` at 1, clipped, to be shown beside what a network makes.

    Example:
        >>> windowed(np.array([0, 50, 200]), 0, 100).tolist()
        [-1.0, 0.0, 1.0]
    """
    shares = (image - low) / np.maximum(high - low, 1e-6)
    shown: NDArray[np.float32] = np.clip(shares * 2 - 1, -1, 1).astype(np.float32)
    return shown
