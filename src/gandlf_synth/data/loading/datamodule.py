"""The splits of a data set as loaders for Lightning."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from gandlf_synth.config import LoaderOptions, Phase, Step
from gandlf_synth.data.loading.conditioned import ConditionedDataset
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.dataset import Batch, PreparedDataset, whole_batch
from gandlf_synth.data.loading.mapped_images import NetworkImages
from gandlf_synth.data.loading.order import EpochOrder, EpochSampler
from gandlf_synth.data.loading.patches import Patches
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.ranks import data_share

_SECONDS_AFTER_SIGTERM = 60
"""That a worker process has left; Slurm kills after 30 by itself."""


@dataclass(frozen=True)
class Split:
    """One phase's samples, prepared."""

    manifest: Manifest
    samples: PreparedSamples


class SynthesisDataModule(LightningDataModule):
    """Gives the trainer batches of prepared images.

    Args:
        splits: the phases that have data; ``train`` at least.
        value_range: the map to [-1, 1], from the training split.
        spec: the data, and what the model is conditioned on.
        augmentation: random transforms of the training split.
        loaders: loader options per phase.
        batch_size: samples in a batch.
        workers: worker processes where the options say ``auto`` and batches are not cut from memory.
        seed: decides order, augmentation and patches.
        patches: how patches are drawn, or None for whole images; those of validation and test never change.
        window: shards of a store that are shuffled together.
        asked: samples in a batch as the configuration has them, where those of a batch of all processes were kept;
            None: as ``batch_size``.
    """

    def __init__(
        self,
        splits: Mapping[Phase, Split],
        value_range: ValueRange,
        spec: DataSpec,
        augmentation: Sequence[Step],
        loaders: Mapping[Phase, LoaderOptions],
        batch_size: int,
        workers: int,
        seed: int,
        patches: Patches | None = None,
        window: int = 0,
        asked: int | None = None,
    ) -> None:
        super().__init__()
        self._splits, self._range, self._spec = splits, value_range, spec
        self._augmentation, self._loaders = augmentation, loaders
        self._batch_size, self._workers, self._seed = batch_size, workers, seed
        self._patches, self._window, self._asked = patches, window, batch_size if asked is None else asked
        self._shown: dict[Phase, NetworkImages] = {}
        self._loaded: dict[Phase, PreparedDataset] = {}
        self._in_workers: set[Phase] = set()
        self._position = {"epoch": 0, "next_epoch": 0, "samples": 0, "size": 0}

    def has(self, phase: Phase) -> bool:
        """Say whether ``phase`` has data."""
        return phase in self._splits

    def batches(self, phase: Phase) -> int:
        """Return the number of batches of ``phase``; 0 without data."""
        return ceil(len(self.dataset(phase)) / self._batch_size) if self.has(phase) else 0

    def dataset(self, phase: Phase, *, augmented: bool = True) -> PreparedDataset:
        """Return the samples of ``phase``; training ones augmented, unless told otherwise."""
        split = self._splits[phase]
        augmenter = None
        if phase == "train" and augmented and self._augmentation:
            augmenter = Augmenter(list(self._augmentation), split.samples.grid(0).spatial_dims)
        parts = self._spec.parts
        condition, fixed = encode_rows(split.manifest.samples, parts), phase != "train"
        if not any(part.painted for part in parts):
            return PreparedDataset(split.samples, self._range, condition, augmenter, self._seed, self._patches, fixed)
        return ConditionedDataset(
            split.samples, self._range, self._spec, condition, augmenter, self._seed, self._patches, fixed
        )

    def subjects(self, phase: Phase, rows: Sequence[int]) -> list[str]:
        """Return the subjects of rows of ``phase``."""
        samples = self._splits[phase].manifest.samples
        return [samples[row].subject for row in rows]

    def show(self, phase: Phase, images: NetworkImages) -> bool:
        """Let the loader of ``phase`` give ``images``, one per sample, and leave the split's own unread.

        To be called before a batch is loaded. Worker processes that hold the split's own already cannot be told: then
        it stays as it is, and False is returned.
        """
        if phase in self._in_workers:
            return False
        self._shown[phase] = images
        if phase in self._loaded:
            self._loaded[phase].show(images)
        return True

    def state_dict(self) -> dict[str, int]:
        """Return where in the training split the run is: the epoch, and the samples of it that were trained on."""
        loop, trainer = self.trainer.fit_loop, self.trainer
        done = loop.epoch_loop.batch_progress.current.processed % max(1, int(trainer.num_training_batches))
        return {
            "epoch": trainer.current_epoch,
            "next_epoch": loop.epoch_progress.current.processed,
            "samples": done * self._batch_size * data_share(trainer)[1],
            "size": len(trainer.train_dataloader.dataset),
            "processes": data_share(trainer)[1],
            "batch_size": self._batch_size,
            "asked_batch_size": self._asked,
        }

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self._position = dict(state_dict)

    def batches_begun(self) -> int | None:
        """Return the batches of the present size that an interrupted epoch is ahead; None where none was interrupted.

        Batch size and number of processes may have changed: what is left of the epoch has to fill the batches that
        are left. With other data the epoch begins anew.
        """
        trainer = self.trainer
        if not self._position["samples"] or self._position["epoch"] != trainer.current_epoch:
            return None
        loader: Any = trainer.train_dataloader
        batches: float = loader.sampler.num_left / self._batch_size
        left = floor(batches) if loader.drop_last else ceil(batches)
        return int(trainer.num_training_batches) - left

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training batches."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return the validation batches, none without a validation split."""
        return self._loader("val") if self.has("val") else []

    def test_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return the test batches, none without a test split."""
        return self._loader("test") if self.has("test") else []

    def _loader(self, phase: Phase) -> DataLoader[Batch]:
        options, dataset = self._loaders[phase], self.dataset(phase)
        self._loaded[phase] = dataset
        if phase in self._shown:
            dataset.show(self._shown[phase])
        workers = options.num_workers
        if workers == "auto":
            workers = 0 if dataset.in_memory else self._workers
        if workers:
            self._in_workers.add(phase)
        shuffle = options.shuffle if options.shuffle is not None else phase == "train"
        trainer = self.trainer
        order = EpochOrder(len(dataset), self._seed, shuffle, dataset.shards, self._window)
        dataset.follow(order)
        rank, count = data_share(trainer)
        sampler = EpochSampler(order, count, rank)
        if phase == "train":
            seen = self._position["samples"] if self._position["size"] == len(dataset) else 0
            sampler.resume_at(self._position["epoch"], seen // sampler.num_replicas)
            # Worker processes are sent the first keys before Lightning tells the sampler the epoch.
            sampler.set_epoch(self._position["next_epoch"])
        pinned = options.pin_memory if options.pin_memory != "auto" else _on_gpu(trainer)
        persistent = options.persistent_workers if options.persistent_workers is not None else workers > 0
        return DataLoader(
            dataset,
            batch_size=self._batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=whole_batch,
            worker_init_fn=_outlive_signals if workers else None,
            pin_memory=pinned,
            drop_last=options.drop_last,
            timeout=options.timeout if workers else 0,
            prefetch_factor=options.prefetch_factor if workers else None,
            persistent_workers=persistent and workers > 0,
        )


def _outlive_signals(_worker: int) -> None:
    """Let a worker process go on when a terminal or Slurm sends a signal to all processes at once.

    Training ends itself then, with a checkpoint, and needs the worker for the batch until it does. SIGTERM ends the
    worker later than it would: the DataLoader, too, sends it to what does not end by itself.
    """
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_SECONDS_AFTER_SIGTERM))


def _on_gpu(trainer: Any) -> bool:
    return trainer is not None and trainer.strategy.root_device.type == "cuda"
