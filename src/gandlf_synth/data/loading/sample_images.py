"""What conditions that are images are made of: the images, mask and region of one sample, as training sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Voxels32 = NDArray[np.float32]


@dataclass(frozen=True)
class SampleImages:
    """One sample on the grid of the network, augmented already where training does that.

    Args:
        image: what is generated, ``(channels, *shape)`` in [-1, 1]; None where it is not known.
        sources: what it is made from, ``(source channels, *shape)`` in [-1, 1], 0 in missing ones.
        source_channels: channels of each source column.
        available: per source column, whether the row has it.
        mask: labels of the voxels, ``(*shape)``; None without a mask.
        region: 1 where the image is to be made anew, ``(*shape)``; None without a region.
        spacing: mm between voxels along each axis.
    """

    image: Voxels32 | None
    sources: Voxels32
    source_channels: tuple[int, ...]
    available: tuple[bool, ...]
    mask: NDArray[np.uint16] | None
    region: NDArray[np.uint16] | None
    spacing: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        first = self.sources[0] if len(self.sources) else self.mask if self.image is None else self.image[0]
        if first is None:
            raise ValueError("a sample has an image, a source or a mask")
        return first.shape


def channels_available(source_channels: Sequence[int], available: Sequence[bool]) -> NDArray[np.bool_]:
    """Return for each source channel whether its column is available.

    Example:
        >>> channels_available((1, 3), (True, False)).tolist()
        [True, False, False, False]
    """
    return np.repeat(np.array(available, bool), source_channels)
