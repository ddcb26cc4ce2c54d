"""The conditioner ``low_resolution``: an image of fewer voxels, from which one of more is made."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, field_validator
from scipy.ndimage import gaussian_filter1d

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import ImageConditioner, ImagePart
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import ConfigError, Problem

Factor = Annotated[float, Field(ge=1, le=64)]
_FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a normal distribution with standard deviation 1."""


class LowResolution(ImageConditioner):
    """The image as a coarser grid would show it, brought to the grid of the image by linear interpolation.

    In training it is made from the image itself, so that no pairs are needed. A trained model takes the image of a
    row as it is: the preprocessing has brought it to the grid of the network already.

    Example:
        >>> images = SampleImages(
        ...     image=np.arange(4, dtype=np.float32).reshape(1, 1, 4), sources=np.zeros((0, 1, 4), np.float32),
        ...     source_channels=(), available=(), mask=None, region=None, spacing=(1.0, 1.0),
        ... )
        >>> low = LowResolution(factor=[1, 2], blur=False)
        >>> low.paint(images, {}, np.random.default_rng(0)).tolist()
        [[[0.5, 1.0, 2.0, 2.5]]]
    """

    kind = "channels"
    reads = frozenset[ImagePart]({"image"})
    needs = "the path of an image of low resolution"
    positional = "factor"

    factor: list[Factor] | Factor
    """How many times fewer voxels the low resolution has, along every axis of the images as the network sees them."""
    blur: bool = True
    """Blur the image along an axis as coarser voxels do, in each sample by another amount: from the mean over a voxel,
    as pixels are, to a normal distribution of its width, as thick slices are; else voxels are thin with gaps between
    them."""

    @field_validator("factor")
    @classmethod
    def _changes_something(cls, value: list[float] | float) -> list[float] | float:
        if max(value if isinstance(value, list) else [value], default=1) <= 1:
            raise ValueError("1 along every axis changes nothing; write how many times fewer voxels there are")
        return value

    @property
    def part_name(self) -> str:
        """``low_resolution``."""
        return "low_resolution"

    @property
    def cell(self) -> str:
        """``Channel_0``."""
        return "Channel_0"

    def says(self, sample: Sample) -> bool:
        """Return whether a row has an image."""
        return bool(sample.channels)

    def rows_that_say(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return which rows have an image."""
        return manifest.presence.targets

    def learns_without(self, train: Manifest) -> bool:
        """Return whether it is hidden in training."""
        return self.drop_fraction > 0

    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the channels of the image.

        Raises:
            ConfigError: there is not one factor for each axis.
        """
        factors = self.factor if isinstance(self.factor, list) else [self.factor] * data.spatial_dims
        if len(factors) != data.spatial_dims:
            what = f"has {len(factors)} factors {factors}, and the images have {data.spatial_dims} axes"
            raise ConfigError(Problem("model_config.conditioning: low_resolution", what, "one number for each axis"))
        return data.num_channels, {}

    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return the image of low resolution on the grid of the image."""
        if rng is None or images.image is None:
            return images.image
        factors = self.factor if isinstance(self.factor, list) else [self.factor] * len(images.shape)
        return coarsened(images.image, factors, blur=float(rng.random()) if self.blur else None)

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return nothing: what it reads is in the channel columns."""
        return []

    def images_in(self, size: int, facts: Mapping[str, JsonValue]) -> Sequence[int]:
        """Return the channels of the image."""
        return [size]


def coarsened(image: Voxels32, factors: Sequence[float], *, blur: float | None) -> Voxels32:
    """Return ``image (channels, *shape)`` as a grid of fewer voxels would show it, brought back by interpolation.

    The coarser grid covers the same space: its voxels lie where blocks of the finer ones have their middle.

    Args:
        image: any values.
        factors: how many times fewer voxels there are along each axis.
        blur: 0 for the mean over a coarser voxel, 1 for a normal distribution whose width at half its height is a
            coarser voxel, or between them; None: not at all.
    """
    coarse = image
    for axis, factor in enumerate(factors, 1):
        if factor == 1:
            continue
        length = image.shape[axis]
        count = max(1, round(length / factor))
        places = (np.arange(count) + 0.5) * length / count - 0.5
        if blur is not None:
            mean, normal = (factor**2 - 1) / 12, (factor / _FWHM) ** 2
            between = float(np.mean(places % 1 * (1 - places % 1)))  # what interpolation blurs by itself
            variance = mean + blur * (normal - mean) - between
            if variance > 0:
                coarse = gaussian_filter1d(coarse, variance**0.5, axis=axis, mode="nearest")
        coarse = _between(coarse, axis, places)
        coarse = _between(coarse, axis, (np.arange(length) + 0.5) * count / length - 0.5)
    return coarse


def _between(image: Voxels32, axis: int, places: np.ndarray) -> Voxels32:
    """Return the values of ``image`` at ``places`` along an axis, from the two nearest ones."""
    places = np.clip(places, 0, image.shape[axis] - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, image.shape[axis] - 1)
    share = (places - below).astype(np.float32).reshape(-1, *(1,) * (image.ndim - axis - 1))
    values: Voxels32 = image.take(below, axis) * (1 - share) + image.take(above, axis) * share
    return values
