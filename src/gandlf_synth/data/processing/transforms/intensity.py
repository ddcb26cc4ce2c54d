"""Steps that change values, each channel by itself, so that a faint modality does not vanish beside a bright one."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform, TransformError
from gandlf_synth.geometry import Voxels

Values = NDArray[np.float64]
Range = tuple[float, float]


class _MinMax(Transform):
    """A step with two limits."""

    keeps_grid: ClassVar[bool] = True

    min: float | None = None
    """Smallest value to keep; absent: no limit."""
    max: float | None = None
    """Largest value to keep; absent: no limit."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class Threshold(_MinMax):
    """Sets values outside the limits to zero.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 50, 100]]], np.float32), Geometry((1, 3)))
        >>> Threshold(max=60)(image).array.tolist()
        [[[0.0, 50.0, 0.0]]]
    """

    def __call__(self, image: Image) -> Image:
        """Return the image with zeros outside."""
        keep = np.ones_like(image.array, dtype=bool)
        if self.min is not None:
            keep &= image.array >= self.min
        if self.max is not None:
            keep &= image.array <= self.max
        return image.with_values(np.where(keep, image.array, 0))


class Clip(_MinMax):
    """Brings values outside the limits to the nearer limit.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 50, 100]]], np.float32), Geometry((1, 3)))
        >>> Clip(min=10, max=60)(image).array.tolist()
        [[[10.0, 50.0, 60.0]]]
    """

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max, or both")
        return self

    def __call__(self, image: Image) -> Image:
        """Return the clipped image."""
        return image.with_values(np.clip(image.array, self.min, self.max))


class Rescale(Transform):
    """Maps a range of values linearly to another one; values outside are clipped.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 50, 100]]], np.float32), Geometry((1, 3)))
        >>> Rescale(out_min_max=(-1, 1))(image).array.tolist()
        [[[-1.0, 0.0, 1.0]]]

        CT in the first channel, and a scan without units in the second:

        >>> pair = Image.from_file_values(np.array([[[-1000, 0]], [[3, 8]]], np.float32), Geometry((1, 2)))
        >>> Rescale(in_min_max=[(-1000, 1000), None])(pair).array.tolist()
        [[[0.0, 0.5]], [[0.0, 1.0]]]
    """

    normalizes: ClassVar[bool] = True
    keeps_grid: ClassVar[bool] = True

    in_min_max: Range | list[Range | None] | None = None
    """The range to map, or one for each channel; absent: each channel's own, between ``percentiles``."""
    out_min_max: Range = (0.0, 1.0)
    """The range to map to."""
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]] = (0.0, 100.0)
    """Percentiles of each channel that are the ends of its range."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        given = self.in_min_max if isinstance(self.in_min_max, list) else [self.in_min_max]
        named = [*(("in_min_max", ends) for ends in given), ("out_min_max", self.out_min_max)]
        for name, ends in [*named, ("percentiles", self.percentiles)]:
            if ends is not None and ends[0] >= ends[1]:
                raise ValueError(f"{name} {list(ends)} must be in ascending order")
        return self

    def __call__(self, image: Image) -> Image:
        """Return the mapped image; a channel of one value becomes the lower end."""
        low, high = self._ends(image)
        out_low, out_high = self.out_min_max
        scale = (out_high - out_low) / _nonzero(high - low)
        mapped = image.rescaled(scale, out_low - low * scale)
        return mapped.with_values(np.clip(mapped.array, out_low, out_high))

    def _ends(self, image: Image) -> tuple[Values, Values]:
        given = self.in_min_max if isinstance(self.in_min_max, list) else [self.in_min_max] * image.num_channels
        if len(given) != image.num_channels:
            what = f"in_min_max has {len(given)} ranges, but the image has {image.num_channels} channels"
            raise TransformError(what)
        ends = [fixed or self._own_ends(channel) for fixed, channel in zip(given, image.array, strict=True)]
        low, high = np.array(ends, dtype=float).T
        return low, high

    def _own_ends(self, channel: Voxels) -> Range:
        low, high = np.percentile(channel, self.percentiles)
        return (float(low), float(high)) if high > low else (float(channel.min()), float(channel.max()))


class Normalize(Transform):
    """Z-score: mean 0 and standard deviation 1 over all voxels.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[1, 3]]], np.float32), Geometry((1, 2)))
        >>> Normalize()(image).array.tolist()
        [[[-1.0, 1.0]]]
    """

    normalizes: ClassVar[bool] = True
    keeps_grid: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return the normalised image."""
        return _standardised(image, lambda channel: channel)


class NormalizeStandardize(Normalize):
    """Z-score, by its other name in GaNDLF."""


class NormalizePositive(Normalize):
    """Z-score with mean and standard deviation of the values above zero.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 1, 3]]], np.float32), Geometry((1, 3)))
        >>> NormalizePositive()(image).array.tolist()
        [[[-2.0, -1.0, 1.0]]]
    """

    def __call__(self, image: Image) -> Image:
        """Return the normalised image."""
        return _standardised(image, lambda channel: channel[channel > 0])


class NormalizeNonzero(Normalize):
    """Z-score with mean and standard deviation of the values that are not zero.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 1, 3]]], np.float32), Geometry((1, 3)))
        >>> NormalizeNonzero()(image).array.tolist()
        [[[-2.0, -1.0, 1.0]]]
    """

    def __call__(self, image: Image) -> Image:
        """Return the normalised image."""
        return _standardised(image, lambda channel: channel[channel != 0])


class NormalizeNonzeroMasked(Normalize):
    """Z-score of the values that are not zero, inside the mask where the CSV has one; zeros stay zero.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 1, 3]]], np.float32), Geometry((1, 3)))
        >>> NormalizeNonzeroMasked()(image).array.tolist()
        [[[0.0, -1.0, 1.0]]]
    """

    def __call__(self, image: Image) -> Image:
        """Return the normalised image."""
        inside = np.ones(image.geometry.shape, bool) if image.mask is None else image.mask > 0
        normalised = _standardised(image, lambda channel: channel[(channel != 0) & inside])
        return normalised.with_values(np.where(image.array == 0, 0, normalised.array))


class NormalizeByValue(Transform):
    """Subtracts given means and divides by given standard deviations.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[1, 3]]], np.float32), Geometry((1, 2)))
        >>> NormalizeByValue(mean=1, std=2)(image).array.tolist()
        [[[0.0, 1.0]]]
    """

    normalizes: ClassVar[bool] = True
    keeps_grid: ClassVar[bool] = True

    mean: float | list[float]
    """One number, or one per channel."""
    std: Annotated[float, Field(gt=0)] | list[Annotated[float, Field(gt=0)]]
    """One number above 0, or one per channel."""

    def __call__(self, image: Image) -> Image:
        """Return the normalised image."""
        mean, std = self._per_channel(self.mean, image, "mean"), self._per_channel(self.std, image, "std")
        return image.rescaled(1 / std, -mean / std)

    @staticmethod
    def _per_channel(value: Any, image: Image, name: str) -> Values:
        values = np.atleast_1d(np.array(value, dtype=float))
        if len(values) not in (1, image.num_channels):
            raise TransformError(f"{name} has {len(values)} numbers, but the image has {image.num_channels} channels")
        return np.broadcast_to(values, image.num_channels).copy()


class NormalizeImagenet(Transform):
    """Scales 8-bit colour to [0, 1] and normalizes by the means and deviations of ImageNet.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> black = Image.from_file_values(np.zeros((3, 1, 1), np.uint8), Geometry((1, 1)))
        >>> [round(value, 2) for value in NormalizeImagenet()(black).array.ravel().tolist()]
        [-2.12, -2.04, -1.8]
    """

    normalizes: ClassVar[bool] = True
    keeps_grid: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return the normalised image; it must have three channels."""
        scaled = NormalizeDivBy255()(image)
        return NormalizeByValue(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])(scaled)


class NormalizeDivBy255(Transform):
    """Divides by 255.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 255]]], np.float32), Geometry((1, 2)))
        >>> NormalizeDivBy255()(image).array.tolist()
        [[[0.0, 1.0]]]
    """

    normalizes: ClassVar[bool] = True
    keeps_grid: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return the scaled image."""
        channels = image.num_channels
        return image.rescaled(np.full(channels, 1 / 255), np.zeros(channels))


def _nonzero(values: Values) -> Values:
    return np.where(values == 0, 1.0, values)


def _standardised(image: Image, chosen: Callable[[Voxels], Voxels]) -> Image:
    means, deviations = np.zeros(image.num_channels), np.ones(image.num_channels)
    for index, channel in enumerate(image.array):
        values = chosen(channel).astype(float)
        if values.size:
            means[index], deviations[index] = values.mean(), values.std()
    deviations = _nonzero(deviations)
    return image.rescaled(1 / deviations, -means / deviations)
