"""The sizes that a network passes through between an image and its coarsest features, whatever the image's size."""

from collections.abc import Sequence
from math import log2

_COARSEST = 4


def resolutions(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the size at every resolution, ``ceil(shape / 2^k)``, finest first.

    The last has 4 to 7 voxels along the longest side, and there are at least two.
    """
    halvings = max(1, int(log2(max(1, max(shape) / _COARSEST))))
    return [tuple(-(-size // 2**level) for size in shape) for level in range(halvings + 1)]
