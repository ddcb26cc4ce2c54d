"""Prepared samples as batches, gathered from memory-mapped files."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.mapped_images import NetworkImages
from gandlf_synth.data.loading.order import EpochOrder, ShardSchedule
from gandlf_synth.data.loading.patches import Patches, PatchImages
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.stored_samples import StoredSamples, network_images
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.provenance import Purpose, fold_seed


class Batch(TypedDict):
    """What a training step gets."""

    image: Tensor
    """``(batch, channels, *shape)``, float32 in [-1, 1]."""
    condition: Condition
    """What the images are made from; empty where the model takes nothing."""
    index: Tensor
    """``(batch,)``, the samples' places in the split."""


class PreparedDataset(Dataset[Batch]):
    """The samples of one split.

    Args:
        samples: what ``prepare`` returned.
        value_range: the map to [-1, 1].
        condition: of all samples, in their order; None where the model takes nothing.
        augmenter: random transforms, or None.
        seed: decides augmentation and patches, together with the epoch and the sample.
        patches: how patches are drawn, or None for whole images.
        fixed: whether the patches are the same in every epoch.
    """

    def __init__(
        self,
        samples: PreparedSamples,
        value_range: ValueRange,
        condition: Condition | None = None,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        patches: Patches | None = None,
        fixed: bool = False,
    ) -> None:
        self._per_volume = patches.per_volume if patches else 1
        self._size = len(samples) * self._per_volume
        self._fixed = fixed
        self._condition = condition or Condition()
        self._augmenter = augmenter
        self._seed = seed
        self._samples = samples
        self._schedule: ShardSchedule | None = None
        self._images: PatchImages | NetworkImages = (
            PatchImages(samples, value_range, patches) if patches else network_images(samples, value_range)
        )

    @property
    def condition(self) -> Condition:
        """The condition of all volumes, in their order."""
        return self._condition

    @property
    def in_memory(self) -> bool:
        """Whether batches are only cut from the mapped file, so that worker processes would only cost."""
        return self._augmenter is None and not isinstance(self._images, PatchImages)

    @property
    def mapped(self) -> NetworkImages | None:
        """The mapped file of the images, or None where they are not the same in every epoch."""
        images = self._images
        return None if self._augmenter is not None or isinstance(images, PatchImages) else images

    @property
    def shards(self) -> NDArray[np.int32] | None:
        """The shard of every sample, where the images are in a store whose shards are fetched; else None."""
        if not isinstance(self._samples, StoredSamples) or not self._samples.shards.is_fetched:
            return None
        return np.repeat(self._samples.shard_numbers, self._per_volume)

    def follow(self, order: EpochOrder) -> None:
        """Fetch shards ahead of their use in this order."""
        self._schedule = None if order.shards is None else ShardSchedule(order)

    def _fetch_ahead(self, epoch: int, index: int) -> None:
        if self._schedule is not None and isinstance(self._samples, StoredSamples):
            self._samples.shards.fetch_ahead(self._schedule.coming(epoch, index))

    def show(self, images: NetworkImages) -> None:
        """Give ``images``, one per sample, in the place of its own, which must be ``mapped``."""
        self._images = images

    def __len__(self) -> int:
        """Return the number of samples."""
        return self._size

    def rows(self, indices: Sequence[int]) -> list[int]:
        """Return the rows of the split that hold the images of samples."""
        return [index // self._per_volume for index in indices]

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """Return the batch of ``keys``, each ``epoch · len(self) + sample``."""
        epochs, indices = zip(*(divmod(key, len(self)) for key in keys), strict=True)
        places = torch.tensor(indices)
        self._fetch_ahead(epochs[0], indices[0])
        if not isinstance(self._images, PatchImages):
            images = self._images.gather(places)
        else:
            drawn = [(0 if self._fixed else epoch, index) for epoch, index in zip(epochs, indices, strict=True)]
            images = self._images.draw(indices, [fold_seed(self._seed, Purpose.PATCHES, *pair) for pair in drawn])
        if self._augmenter is not None:
            seeds = [fold_seed(self._seed, Purpose.AUGMENTATION, *pair) for pair in zip(epochs, indices, strict=True)]
            images = torch.stack([self._augmenter(image, seed) for image, seed in zip(images, seeds, strict=True)])
        return Batch(image=images, condition=self._condition.rows(places // self._per_volume), index=places)

    def __getitem__(self, key: int) -> Batch:
        """Return the batch of one sample."""
        return self.__getitems__([key])


def whole_batch(batch: Any) -> Any:
    """Return ``batch``: the dataset collates by itself."""
    return batch
