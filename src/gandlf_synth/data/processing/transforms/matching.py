"""Histogram matching."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.transforms.base import Transform, TransformError
from gandlf_synth.data.processing.transforms.target import target_image


class HistogramMatching(Transform):
    """Gives every channel the histogram of the same channel of a target image (Gonzalez & Woods, section 3.3).

    Values are in the target's units afterwards, so that export needs no inverse.
    """

    positional: ClassVar[str | None] = "target"

    target: Path
    """An image with as many channels, or with one for all."""

    def sources(self) -> tuple[Path, ...]:
        """Return the target."""
        return (self.target,)

    def __call__(self, image: Image) -> Image:
        """Return the matched image."""
        from skimage.exposure import match_histograms

        target, channels = target_image(self.target), image.num_channels
        if target.num_channels not in (1, channels):
            raise TransformError(f"the target has {target.num_channels} channels, the image {channels}")
        wanted = np.broadcast_to(target.array, (channels, *target.array.shape[1:]))
        pairs = zip(image.array, wanted, strict=True)
        array = np.stack(
            [match_histograms(channel.ravel(), own.ravel()).reshape(channel.shape) for channel, own in pairs]
        )
        return replace(image.with_values(array), scale=np.ones(channels), offset=np.zeros(channels))
