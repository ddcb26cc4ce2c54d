"""The conditioner ``image``: images that another one is made from, as in translation and synthesis of missing ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import ImageConditioner, ImagePart
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32, channels_available
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem


class ImageSource(ImageConditioner):
    """The images in the ``Source_0`` … columns, concatenated to what the network sees.

    A source that a row does not have is 0; with several, a channel for each says whether it is there.

    Example:
        >>> images = SampleImages(
        ...     image=None, sources=np.ones((1, 2, 2), np.float32), source_channels=(1,), available=(True,), mask=None,
        ...     region=None, spacing=(1.0, 1.0),
        ... )
        >>> ImageSource().paint(images, {}, None).shape
        (1, 2, 2)
    """

    kind = "channels"
    reads = frozenset[ImagePart]({"sources"})
    needs = "a path in one of the Source columns"

    missing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How often each source is left out in training, beside those that rows do not have; one always stays."""

    @property
    def part_name(self) -> str:
        """``image``."""
        return "image"

    @property
    def cell(self) -> str:
        """The first source."""
        return "Source_0"

    def says(self, sample: Sample) -> bool:
        """Return whether a row has any source."""
        return any(sample.sources)

    def rows_that_say(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return which rows have any source."""
        return manifest.presence.sources

    def learns_without(self, train: Manifest) -> bool:
        """Return whether sources are hidden altogether; rows without any are those of unpaired data."""
        return self.drop_fraction > 0

    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the number of channels.

        Raises:
            DataError: there are no sources.
        """
        channels = list(data.source_channels)
        if not channels:
            what = "has no Source column, and the model is conditioned on images"
            fix = "add Source_0 with the images to start from, or leave image out of conditioning"
            raise DataError(Problem(str(train.path), what, fix=fix))
        flags = len(channels) if len(channels) > 1 else 0
        return sum(channels) + flags, {"channels": [*channels], "names": [*data.source_names]}

    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return the sources, then a channel of ones or zeros for each of several that says whether it is there."""
        available = self._kept(images.available, rng)
        if not any(available):
            return None
        given = channels_available(images.source_channels, available)
        sources = np.where(given.reshape(-1, *(1,) * len(images.shape)), images.sources, 0)
        if len(available) == 1:
            return sources
        flags = np.zeros((len(available), *images.shape), np.float32)
        flags[list(available)] = 1
        return np.concatenate([sources, flags])

    def images_in(self, size: int, facts: Mapping[str, JsonValue]) -> Sequence[int]:
        """Return the channels of each source."""
        channels = facts["channels"]
        return [int(str(count)) for count in channels] if isinstance(channels, list) else []

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return an image for each source."""
        names = facts["names"] if isinstance(facts["names"], list) else []
        return [
            CellInput(column=f"Source_{number}", kind="image", title="" if len(names) == 1 else str(name))
            for number, name in enumerate(names)
        ]

    def pictures(self, painted: Voxels32, facts: Mapping[str, JsonValue]) -> Sequence[Voxels32]:
        """Return the sources, without what says which are there."""
        channels = facts["channels"]
        flags = len(channels) if isinstance(channels, list) and len(channels) > 1 else 0
        return list(painted[: len(painted) - flags])

    def _kept(self, available: tuple[bool, ...], rng: np.random.Generator | None) -> tuple[bool, ...]:
        if rng is None or not self.missing or sum(available) < 2:
            return available
        dropped = rng.random(len(available)) < self.missing
        kept = tuple(bool(there and not gone) for there, gone in zip(available, dropped, strict=True))
        if any(kept):
            return kept
        stays = rng.choice(np.flatnonzero(available))
        return tuple(place == stays for place in range(len(available)))
