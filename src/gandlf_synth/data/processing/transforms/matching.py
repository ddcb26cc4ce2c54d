"""Histogram matching, and the target image that a step compares others with."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.processing.base import Transform, TransformError


@lru_cache(maxsize=8)
def target_image(path: Path) -> Image:
    """Return the image in ``path``, kept in memory.

    Raises:
        TransformError: it cannot be read.
    """
    try:
        return read_image(path)
    except UnreadableError as error:
        raise TransformError(f"the target {path} {error.what}") from error


class HistogramMatching(Transform):
    """Gives every channel the histogram of the same channel of a target image (Gonzalez & Woods, section 3.3).

    Values are in the target's units afterwards, so that export needs no inverse.

    Example:
        >>> import tempfile
        >>> from gandlf_synth.geometry import Geometry
        >>> target = Path(tempfile.mkdtemp()) / "target.npy"
        >>> np.save(target, np.array([[10.0, 20.0]]))
        >>> image = Image.from_file_values(np.array([[[0.0, 1.0]]]), Geometry((1, 2)))
        >>> HistogramMatching(target=target)(image).array.tolist()
        [[[10.0, 20.0]]]
    """

    keeps_grid: ClassVar[bool] = True
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
        targets = np.broadcast_to(target.array, (channels, *target.array.shape[1:]))
        pairs = [(channel.ravel(), values.ravel()) for channel, values in zip(image.array, targets, strict=True)]
        array = np.stack([match_histograms(*pair) for pair in pairs]).reshape(image.array.shape)
        return replace(image.with_values(array), scale=np.ones(channels), offset=np.zeros(channels))
