"""The conditioner ``region``: an image with a hole, which is to be filled."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, model_validator

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import ImageConditioner, ImagePart
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem

Fraction = Annotated[float, Field(gt=0, le=1)]
_MOST_HOLES = 3
_MOST_TRIES = 8


class RegionVoided(ImageConditioner):
    """The image with 0 in the region that is to be made anew, and the region.

    A trained model fills the region in the ``Region`` column (not 0: made anew; the mask with ``holes: Mask``).

    Example:
        >>> images = SampleImages(
        ...     image=np.full((1, 1, 3), 0.5, np.float32), sources=np.zeros((0, 1, 3), np.float32), source_channels=(),
        ...     available=(), mask=None, region=np.array([[0, 1, 0]], np.uint16), spacing=(1.0, 1.0),
        ... )
        >>> RegionVoided().paint(images, {}, None).tolist()
        [[[0.5, 0.0, 0.5]], [[0.0, 1.0, 0.0]]]
    """

    kind = "channels"
    needs = "the path of an image that is not 0 where the row's image is to be made anew"
    positional = "holes"

    holes: Literal["random", "Region", "Mask"] = "random"
    """Where the holes are that are filled in training: boxes and ellipsoids anywhere, or a column of the CSV."""
    sizes: tuple[Fraction, Fraction] = (0.05, 0.3)
    """The smallest and the largest hole along an axis, as shares of the image; of random holes."""

    @model_validator(mode="after")
    def _in_order(self) -> "RegionVoided":
        if self.sizes[0] > self.sizes[1]:
            raise ValueError(f"sizes are the smallest and the largest, and {list(self.sizes)} are not")
        return self

    @property
    def reads(self) -> frozenset[ImagePart]:  # type: ignore[override]
        """The image and its region, and the mask where that has the holes."""
        parts: tuple[ImagePart, ...] = ("image", "region", "mask") if self.holes == "Mask" else ("image", "region")
        return frozenset(parts)

    @property
    def part_name(self) -> str:
        """``region``."""
        return "region"

    @property
    def cell(self) -> str:
        """The column of the holes of a trained model."""
        return "Mask" if self.holes == "Mask" else "Region"

    def rows_that_say(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return which rows have a hole in the column."""
        return manifest.presence.masks if self.holes == "Mask" else manifest.presence.regions

    def rows_that_teach(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return which rows have a hole, or get one at random."""
        says = self.rows_that_say(manifest)
        return np.ones_like(says) if self.holes == "random" else says

    def rows_to_check(self, manifest: Manifest) -> Iterable[Sequence[Sample]]:
        """Yield the rows that have holes in the column, those of equal labels together."""
        return manifest.alike("mask" if self.holes == "Mask" else "region")

    def teaches(self, sample: Sample) -> bool:
        """Return whether a row has a hole, or gets one at random."""
        return self.holes == "random" or self.says(sample)

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return an image of the region."""
        return [CellInput(column=self.cell, kind="image", about="an image that is not 0 where the other is made anew")]

    def learns_without(self, train: Manifest) -> bool:
        """Return whether the hole is hidden in training."""
        return self.drop_fraction > 0

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return that a region is empty or everything."""
        path = sample.mask if self.holes == "Mask" else sample.region
        if path is None:
            return ""
        scan = scans[path]
        if scan.largest == 0 and scan.smallest == 0:
            return "is 0 everywhere, so that nothing is to be made anew; allowed: not 0 in a part of the image"
        if scan.labels and 0 not in scan.labels:
            return "is not 0 anywhere, so that nothing of the image is kept; allowed: 0 in a part of the image"
        return ""

    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the channels of the image and one for the region.

        Raises:
            DataError: the column of the holes is missing.
        """
        if self.holes != "random" and not self.rows_that_say(train).any():
            what = f"has no {self.cell} column, and the holes that the model is to fill are there"
            fix = f"add {self.cell}, or write region: {{holes: random}}"
            raise DataError(Problem(str(train.path), what, fix=fix))
        return data.num_channels + 1, {}

    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return the image with the hole, then 1 in the hole."""
        hole = self._hole(images, rng)
        if hole is None or images.image is None:
            return None
        return np.concatenate([np.where(hole, 0, images.image), hole[None].astype(np.float32)])

    def images_in(self, size: int, facts: Mapping[str, JsonValue]) -> Sequence[int]:
        """Return the channels of the image with the hole."""
        return [size - 1]

    def pictures(self, painted: Voxels32, facts: Mapping[str, JsonValue]) -> Sequence[Voxels32]:
        """Return the image with the hole."""
        return list(painted[:-1])

    def _hole(self, images: SampleImages, rng: np.random.Generator | None) -> NDArray[np.bool_] | None:
        if rng is not None and self.holes == "random":
            return random_holes(images.shape, self.sizes, rng, images.image)
        column = images.mask if self.holes == "Mask" else images.region
        return None if column is None else column > 0


def random_holes(
    shape: Sequence[int], sizes: tuple[float, float], rng: np.random.Generator, image: Voxels32 | None = None
) -> NDArray[np.bool_]:
    """Return up to three boxes and ellipsoids, at least a voxel, true inside.

    Args:
        shape: of the image.
        sizes: smallest and largest extent along an axis, as shares of the image.
        rng: decides everything.
        image: ``(channels, *shape)``; holes lie where it is not one value throughout, since a hole in the empty
            surroundings of a head teaches nothing. None: anywhere.

    Example:
        >>> holes = random_holes((20, 20), (0.1, 0.1), np.random.default_rng(0))
        >>> bool(0 < holes.sum() <= 3 * 4)
        True
    """
    holes = np.zeros(shape, bool)
    for _ in range(rng.integers(1, _MOST_HOLES + 1)):
        extents = np.maximum(1, np.rint(rng.uniform(*sizes, len(shape)) * shape)).astype(int)
        window = _place(extents, shape, rng, image)
        round_one = rng.random() < 0.5
        if not round_one:
            holes[window] = True
            continue
        axes = [(np.arange(extent) - (extent - 1) / 2) / (extent / 2) for extent in extents]
        squares = np.meshgrid(*(axis**2 for axis in axes), indexing="ij", sparse=True)
        holes[window] |= sum(squares[1:], squares[0]) <= 1
    return holes


def _place(
    extents: NDArray[np.int_], shape: Sequence[int], rng: np.random.Generator, image: Voxels32 | None
) -> tuple[slice, ...]:
    """Return a window of ``extents`` anywhere, where ``image`` has something to see if that is soon found."""
    window: tuple[slice, ...] = ()
    for _ in range(_MOST_TRIES):
        starts = [int(rng.integers(0, length - extent + 1)) for length, extent in zip(shape, extents, strict=True)]
        window = tuple(slice(start, start + extent) for start, extent in zip(starts, extents, strict=True))
        if image is None or np.ptp(image[:, *window]) > 0:
            break
    return window
