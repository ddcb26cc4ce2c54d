"""What happens around every step: random numbers are seeded."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share


class StepSeeds(Callback):
    """Seeds torch before every training batch from (seed, process, epoch, batch).

    Models may then draw from torch's own generator, and nothing of its state has to be saved.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Seed the batch."""
        torch.manual_seed(fold_seed(self._seed, Purpose.STEP, data_share(trainer)[0], trainer.current_epoch, batch_idx))
