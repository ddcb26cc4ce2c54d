"""Random numbers that depend on the step alone, so that a resumed run draws what an uninterrupted one would."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.provenance import Purpose, fold_seed


class StepSeeds(Callback):
    """Seeds torch before every training batch from (seed, process, epoch, batch).

    Models may then draw from torch's own generator, and nothing of its state has to be saved.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed the batch."""
        torch.manual_seed(fold_seed(self._seed, Purpose.STEP, trainer.global_rank, trainer.current_epoch, batch_idx))
