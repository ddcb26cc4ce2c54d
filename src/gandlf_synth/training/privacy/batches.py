"""Batches of random subjects: each takes part in a step by itself, with a known probability."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gandlf_synth.config import Phase, resolved
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.data.loading.dataset import Batch, PreparedDataset, whole_batch
from gandlf_synth.data.loading.order import EpochOrder, EpochSampler
from gandlf_synth.training.privacy.noise import secret_seed, secret_uniform
from gandlf_synth.training.privacy.plan import PrivacyPlan

_EPOCHS = 2**31


class PrivateBatch(TypedDict):
    """What a step with a privacy budget gets."""

    subjects: list[list[Batch]]
    """Of each drawn subject, all images, in parts that pass through the network together; of nobody, maybe."""
    index: Tensor
    """``(images,)``, the places of all of them in the split."""


class SubjectBatches(Dataset[PrivateBatch]):
    """Steps of an epoch, in each of which every subject takes part with the same probability (Poisson sampling).

    Who takes part, and how images are augmented, is drawn from the operating system's generator: neither follows from
    the seed of the run.

    Args:
        images: of all subjects.
        subjects: of each subject, the places of its images.
        sampling_rate: the probability.
        steps: of an epoch.
        images_at_once: of one subject, that pass through the network together.
    """

    def __init__(
        self,
        images: PreparedDataset,
        subjects: Sequence[Sequence[int]],
        sampling_rate: float,
        steps: int,
        images_at_once: int,
    ) -> None:
        self._images, self._subjects, self._rate = images, subjects, sampling_rate
        self._steps, self._together = steps, images_at_once

    def __len__(self) -> int:
        """Return the number of steps of an epoch."""
        return self._steps

    def __getitem__(self, step: int) -> PrivateBatch:
        """Return the subjects of a step; which one it is decides nothing."""
        drawn = np.flatnonzero(secret_uniform(len(self._subjects)) < self._rate).tolist()
        first = secret_seed() % _EPOCHS * len(self._images)
        subjects = [self._parts(self._subjects[number], first) for number in drawn]
        index = [part["index"] for parts in subjects for part in parts]
        return PrivateBatch(subjects=subjects, index=torch.cat(index) if index else torch.empty(0, dtype=torch.long))

    def _parts(self, places: Sequence[int], first: int) -> list[Batch]:
        starts = range(0, len(places), self._together)
        return [
            self._images.__getitems__([first + place for place in places[start : start + self._together]])
            for start in starts
        ]


class PrivateDataModule(SynthesisDataModule):
    """Gives the trainer batches of random subjects; validation and test as usual.

    Args:
        arguments: of ``SynthesisDataModule``.
        plan: how many subjects take part in how many steps.
    """

    def __init__(self, *arguments: Any, plan: PrivacyPlan) -> None:
        super().__init__(*arguments)
        self.plan, self._steps = plan, plan.steps_per_epoch

    def batches(self, phase: Phase) -> int:
        """Return the number of batches of ``phase``; 0 without data."""
        return self._steps if phase == "train" else super().batches(phase)

    def state_dict(self) -> dict[str, int]:
        """Return where the run is: the epoch, and the steps of it that were taken."""
        steps = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed % self._steps
        return {**super().state_dict(), "samples": steps}

    def batches_begun(self) -> int | None:
        """Return the steps that an interrupted epoch is ahead; None where none was interrupted."""
        if not self._position["samples"] or self._position["epoch"] != self.trainer.current_epoch:
            return None
        return self._position["samples"]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the steps of an epoch."""
        images = self.dataset("train")
        places = defaultdict(list)
        for place, subject in enumerate(self.subjects("train", images.rows(range(len(images))))):
            places[subject].append(place)
        steps = SubjectBatches(
            images,
            list(places.values()),
            self.plan.sampling_rate,
            self._steps,
            resolved(self.plan.budget.images_at_once),
        )
        sampler = EpochSampler(EpochOrder(self._steps, 0, shuffle=False))
        sampler.resume_at(self._position["epoch"], self._position["samples"])
        sampler.set_epoch(self._position["next_epoch"])
        options = self._loaders["train"]
        workers = options.num_workers
        if workers == "auto":
            workers = 0 if images.in_memory else self._workers
        return DataLoader(
            steps,
            batch_size=None,
            sampler=sampler,
            num_workers=workers,
            collate_fn=whole_batch,
            persistent_workers=workers > 0,
        )
