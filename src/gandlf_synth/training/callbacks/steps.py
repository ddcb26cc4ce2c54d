"""What happens around every step: random numbers are seeded."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.batch_draws import share_batches
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share


class StepSeeds(Callback):
    """Seeds torch before every training batch from (seed, epoch, batch), alike in all processes.

    Models may then draw from torch's own generator, and nothing of its state has to be saved. What they draw for the
    images of a batch they draw with ``batch_draws``, so that it differs between processes.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Seed the batch."""
        share_batches(*data_share(trainer))
        _seed(fold_seed(self._seed, Purpose.STEP, 0, trainer.current_epoch, batch_idx), pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Let what is drawn outside of steps be this process's alone."""
        share_batches(0, 1)


def _seed(seed: int, device: torch.device) -> None:
    """Seed what a step on ``device`` draws from; ``torch.manual_seed`` writes a traceback for every other kind."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        torch.manual_seed(seed)
