"""Prepared samples as batches: straight from memory when they fit, else from memory-mapped files."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NotRequired, TypedDict

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from gandlf_synth.data.augmentations import Augmenter
from gandlf_synth.data.prepared import ModelRange, PreparedSample
from gandlf_synth.provenance import fold_seed

_MEMORY_SHARE = 0.3
"""Share of the free memory that prepared data may take."""


class Batch(TypedDict):
    """What a training step gets."""

    image: Tensor
    """``(batch, channels, *shape)``, float32 in [-1, 1]."""
    label: NotRequired[Tensor]
    """``(batch,)``, class indices; absent without labels."""
    index: Tensor
    """``(batch,)``, the samples' places in the split."""


class PreparedDataset(Dataset[Batch]):
    """The samples of one split.

    Args:
        samples: what ``prepare`` returned.
        value_range: the map to [-1, 1].
        class_indices: the class of each sample, or None without labels.
        augmenter: random transforms, or None.
        seed: decides the augmentation, together with the epoch and the sample.
    """

    def __init__(
        self,
        samples: Sequence[PreparedSample],
        value_range: ModelRange,
        class_indices: Sequence[int] | None = None,
        augmenter: Augmenter | None = None,
        seed: int = 0,
    ) -> None:
        self._paths = [sample.path for sample in samples]
        self._range = value_range
        self._labels = None if class_indices is None else torch.tensor(class_indices)
        self._augmenter = augmenter
        self._seed = seed
        self._images = self._load() if self.fits_in_memory(samples) else None

    @staticmethod
    def fits_in_memory(samples: Sequence[PreparedSample]) -> bool:
        """Say whether all voxels fit in a share of the free memory."""
        first = samples[0]
        voxels = int(np.prod(first.grid.shape)) * len(first.scale) * len(samples)
        return bool(voxels * 4 < _MEMORY_SHARE * psutil.virtual_memory().available)

    @property
    def in_memory(self) -> bool:
        """Whether batches are cut from memory, so that worker processes would only cost."""
        return self._images is not None and self._augmenter is None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._paths)

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """Return the batch of ``keys``, each ``epoch · len(self) + sample``."""
        epochs, indices = zip(*(divmod(key, len(self)) for key in keys), strict=True)
        places = torch.tensor(indices)
        images = self._images[places] if self._images is not None else self._read(indices)
        if self._augmenter is not None:
            seeds = [fold_seed(self._seed, *pair) for pair in zip(epochs, indices, strict=True)]
            images = torch.stack([self._augmenter(image, seed) for image, seed in zip(images, seeds, strict=True)])
        batch = Batch(image=images, index=places)
        if self._labels is not None:
            batch["label"] = self._labels[places]
        return batch

    def __getitem__(self, key: int) -> Batch:
        """Return the batch of one sample."""
        return self.__getitems__([key])

    def _read(self, indices: Sequence[int]) -> Tensor:
        arrays = [self._range(np.load(self._paths[index], mmap_mode="r")) for index in indices]
        return torch.from_numpy(np.stack(arrays))

    def _load(self) -> Tensor:
        first = np.load(self._paths[0], mmap_mode="r")
        images = torch.empty((len(self._paths), *first.shape))
        for index, path in enumerate(self._paths):
            images[index] = torch.from_numpy(self._range(np.load(path)))
        return images


class EpochSampler(DistributedSampler[Any]):
    """Draws every sample once per epoch, in an order that depends on seed and epoch only; shared out among ranks.

    Yields ``epoch · size + index``, so that worker processes know the epoch too.
    """

    _resumed: tuple[int, int] = (0, 0)

    def resume_at(self, epoch: int, samples: int) -> None:
        """Begin ``epoch`` after the first ``samples`` of this rank, which an interrupted run has seen."""
        self._resumed = (epoch, samples)

    def __iter__(self) -> Iterator[int]:
        """Yield the keys of this rank for the current epoch."""
        size = len(self.dataset)  # type: ignore[arg-type]
        epoch, seen = self._resumed
        first = seen if epoch == self.epoch else 0
        yield from (self.epoch * size + index for index in islice(super().__iter__(), first, None))


def whole_batch(batch: Any) -> Any:
    """Return ``batch``: the dataset collates by itself."""
    return batch
