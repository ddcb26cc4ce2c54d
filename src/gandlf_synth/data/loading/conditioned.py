"""Prepared samples of models that make an image from others: target, sources, mask and region under one geometry."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch, PreparedDataset
from gandlf_synth.data.loading.mapped_images import NetworkImages
from gandlf_synth.data.loading.painting import Painter, joined
from gandlf_synth.data.loading.patches import Patches, PatchImages
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.sample_images import SampleImages
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.provenance import Purpose, fold_seed

Labels = NDArray[np.uint16]


class ConditionedDataset(PreparedDataset):
    """The samples of one split, with conditions that are made of images.

    Rows without an image in the channels are no samples. Where no row has both an image and a source, the data is
    unpaired: beside each image stands a source that is drawn from the others.

    Args:
        samples: what ``prepare`` returned: channels, then sources.
        value_range: the map to [-1, 1] of all of them.
        spec: the data.
        condition: what the text of the rows says, of all of them, in their order.
        augmenter: random transforms, or None.
        seed: decides augmentation, patches and what is random in conditions, with the epoch and the sample.
        patches: how patches are drawn, or None for whole images.
        fixed: whether everything is the same in every epoch.

    Raises:
        DataError: no row has an image.
    """

    def __init__(
        self,
        samples: PreparedSamples,
        value_range: ValueRange,
        spec: DataSpec,
        condition: Condition,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        patches: Patches | None = None,
        fixed: bool = False,
    ) -> None:
        super().__init__(samples, value_range, condition, augmenter, seed, patches, fixed)
        self._spec, self._painter = spec, Painter(spec.parts)
        self._shown: NetworkImages | None = None
        given = samples.given()
        has_image, self._given = given[:, : spec.num_channels].all(axis=1), given[:, spec.num_channels :]
        has_source = self._given.any(axis=1) if spec.source_channels else np.zeros(len(given), bool)
        self._targets = np.flatnonzero(has_image)
        if not len(self._targets):
            what = "no row has an image in the channel columns, and there is nothing to learn"
            raise DataError(Problem("the data", what, "Channel_0: the images that are to be generated"))
        unpaired = bool(spec.source_channels) and not (has_image & has_source).any()
        self._others = np.flatnonzero(has_source) if unpaired and has_source.any() else None
        self._size = len(self._targets) * self._per_volume
        self._condition = self._condition.rows(torch.from_numpy(self._targets))

    @property
    def mapped(self) -> NetworkImages | None:
        """The mapped file of channels and sources; None where they vary, or where some rows are no samples."""
        every_row = self._others is None and len(self._targets) == len(self._given)
        return super().mapped if every_row else None

    @property
    def shards(self) -> NDArray[np.int32] | None:
        """The shard of every sample; see ``PreparedDataset``."""
        every = super().shards
        if every is None:
            return None
        return np.repeat(every[:: self._per_volume][self._targets], self._per_volume)

    def show(self, images: NetworkImages) -> None:
        """Give ``images``, one per sample, in the place of the channels; conditions are made of those nevertheless."""
        self._shown = images

    def rows(self, indices: Sequence[int]) -> list[int]:
        """Return the rows of the split that hold the images of samples; see ``PreparedDataset.rows``."""
        return [int(self._targets[row]) for row in super().rows(indices)]

    def __getitems__(self, keys: Sequence[int]) -> Batch:
        """Return the batch of ``keys``, each ``epoch · len(self) + sample``."""
        epochs, indices = zip(*(divmod(key, len(self)) for key in keys), strict=True)
        draws = [(0 if self._fixed else epoch, index) for epoch, index in zip(epochs, indices, strict=True)]
        self._fetch_ahead(epochs[0], indices[0])
        rows = self._targets[np.array(indices) // self._per_volume]
        others = rows if self._others is None else self._drawn(self._others, draws)
        voxels, labels = self._read(rows, draws)
        if self._others is not None:
            sources, labels = self._read(others, draws)
            voxels = torch.cat([voxels[:, : self._spec.num_channels], sources[:, self._spec.num_channels :]], 1)
        if self._augmenter is not None:
            seeds = [fold_seed(self._seed, Purpose.AUGMENTATION, *pair) for pair in zip(epochs, indices, strict=True)]
            voxels, labels = self._augmented(self._augmenter, voxels, labels, seeds)
        images = [self._sample(*parts) for parts in zip(voxels.numpy(), labels, others, strict=True)]
        painted = self._painter(images, [fold_seed(self._seed, Purpose.CONDITION, *pair) for pair in draws])
        places = torch.tensor(indices)
        condition = joined(self._condition.rows(places // self._per_volume), painted, self._spec.parts)
        image = voxels[:, : self._spec.num_channels] if self._shown is None else self._shown.gather(places)
        return Batch(image=image, condition=condition, index=places)

    def _drawn(self, others: NDArray[np.int64], draws: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
        seeds = [fold_seed(self._seed, Purpose.UNPAIRED, *pair) for pair in draws]
        places: NDArray[np.int64] = others[[seed % len(others) for seed in seeds]]
        return places

    def _read(self, rows: NDArray[np.int64], draws: Sequence[tuple[int, int]]) -> tuple[Tensor, list[Labels | None]]:
        """Return channels and sources ``(batch, channels, *shape)``, and mask and region of each that has any."""
        if not isinstance(self._images, PatchImages):
            return self._images.gather(torch.from_numpy(rows)), [self._labels(row) for row in rows.tolist()]
        seeds = [fold_seed(self._seed, Purpose.PATCHES, *pair) for pair in draws]
        windows = [self._images.window(row, seed) for row, seed in zip(rows.tolist(), seeds, strict=True)]
        voxels = np.stack([self._images.read(row, window) for row, window in zip(rows.tolist(), windows, strict=True)])
        labels = [self._labels(row, window) for row, window in zip(rows.tolist(), windows, strict=True)]
        return torch.from_numpy(voxels), labels

    def _labels(self, row: int, window: tuple[slice, ...] = ()) -> Labels | None:
        """Return mask and region of a row, ``(2, *shape)``, the absent one as zeros; None where it has neither."""
        mask, region = self._samples.mask(row), self._samples.region(row)
        if mask is None and region is None:
            return None
        maps = [np.zeros(self._samples.grid(row).shape, np.uint16) if one is None else one for one in (mask, region)]
        return np.stack([one[window] for one in maps])

    def _augmented(
        self, augmenter: Augmenter, voxels: Tensor, labels: Sequence[Labels | None], seeds: Sequence[int]
    ) -> tuple[Tensor, list[Labels | None]]:
        count, changed, moved = self._spec.num_channels, [], list[Labels | None]()
        for image, maps, seed in zip(voxels, labels, seeds, strict=True):
            whole, new = augmenter.together(image, count, None if maps is None else torch.from_numpy(maps), seed)
            changed.append(whole)
            moved.append(None if new is None else new.numpy())
        return torch.stack(changed), moved

    def _sample(self, voxels: NDArray[np.float32], labels: Labels | None, row: int) -> SampleImages:
        count, ends = self._spec.num_channels, np.cumsum([0, *self._spec.source_channels])
        return SampleImages(
            image=voxels[:count],
            sources=voxels[count:],
            source_channels=self._spec.source_channels,
            available=tuple(bool(self._given[row, start]) for start in ends[:-1]),
            mask=labels[0] if labels is not None and self._samples.mask(row) is not None else None,
            region=labels[1] if labels is not None and self._samples.region(row) is not None else None,
            spacing=self._samples.grid(row).spacing,
        )
