"""Random patches of volumes that are larger than what the network sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.value_range import ValueRange

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Patches:
    """How patches are drawn.

    Args:
        shape: voxels along each axis of a patch.
        per_volume: patches of each volume in an epoch.
        weighted: whether the voxel in the middle is drawn from the mask, all its voxels alike, instead of anywhere.
            Near a border the patch is moved inside; a volume with an empty mask is drawn from anywhere.
    """

    shape: tuple[int, ...]
    per_volume: int
    weighted: bool


class PatchImages:
    """The patches of prepared volumes, read from memory-mapped files; only the patch is ever in memory.

    Args:
        samples: the volumes, each at least as large as a patch.
        value_range: the map to [-1, 1].
        patches: how they are drawn.
    """

    def __init__(self, samples: PreparedSamples, value_range: ValueRange, patches: Patches) -> None:
        self._samples, self._range, self._patches = samples, value_range, patches

    def __len__(self) -> int:
        """Return the number of patches in an epoch."""
        return len(self._samples) * self._patches.per_volume

    def draw(self, places: Sequence[int], seeds: Sequence[int]) -> "Tensor":
        """Return one patch per place, ``(batch, channels, *shape)`` in [-1, 1].

        Args:
            places: which patches; those of one volume follow one another.
            seeds: what decides where each lies.
        """
        import torch

        return torch.from_numpy(np.stack([self._patch(*pair) for pair in zip(places, seeds, strict=True)]))

    def _patch(self, place: int, seed: int) -> NDArray[np.float32]:
        index = place // self._patches.per_volume
        return self.read(index, self.window(index, seed))

    def window(self, index: int, seed: int) -> tuple[slice, ...]:
        """Return where the patch of a volume lies that ``seed`` decides."""
        rng, shape = np.random.default_rng(seed), self._samples.grid(index).shape
        last = np.array(shape, dtype=np.int64) - np.array(self._patches.shape, dtype=np.int64)
        start = self._around_mask(index, last, rng) if self._patches.weighted else None
        if start is None:
            start = rng.integers(0, last + 1)
        return tuple(slice(first, first + size) for first, size in zip(start, self._patches.shape, strict=True))

    def read(self, index: int, window: tuple[slice, ...]) -> NDArray[np.float32]:
        """Return a patch of a volume, ``(channels, *shape)`` in [-1, 1]."""
        return self._range.to_network(self._samples.window(index, window))

    def _around_mask(self, index: int, last: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64] | None:
        mask = self._samples.mask(index)
        marked = () if mask is None else np.flatnonzero(mask)
        if mask is None or not len(marked):
            return None
        centre = np.array(np.unravel_index(rng.choice(marked), mask.shape))
        start: NDArray[np.int64] = np.clip(centre - np.array(self._patches.shape) // 2, 0, last)
        return start
