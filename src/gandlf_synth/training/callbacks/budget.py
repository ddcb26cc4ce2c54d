"""Training by the clock: stop in time, and cool down before."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

_COOLDOWN = 0.4


class TimeBudget(Callback):
    """Stops training after a wall time; without a scheduler, lowers the learning rate linearly to zero at its end.

    A constant rate leaves noise in the weights, and so in the images; a linear cooldown over the last part of the run
    removes it (Hägele et al. 2024, arXiv 2405.18392).

    Args:
        seconds: the wall time of the training.
        cool_down: whether to lower the rate; false where a scheduler decides it.
    """

    def __init__(self, seconds: float, *, cool_down: bool) -> None:
        self._seconds = seconds
        self._cool_down = cool_down
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell the model the time, and set the learning rate for what is left of it."""
        elapsed = min(1.0, (time.monotonic() - self._started) / self._seconds)
        pl_module.elapsed_fraction = elapsed
        if not self._cool_down:
            return
        left = 1 - elapsed
        factor = min(1.0, left / _COOLDOWN)
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * factor

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop when the time is over."""
        over = time.monotonic() - self._started >= self._seconds
        trainer.should_stop = trainer.should_stop or trainer.strategy.broadcast(over)
