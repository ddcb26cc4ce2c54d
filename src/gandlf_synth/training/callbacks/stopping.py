"""What ends a training before its last epoch without losing work: the clock, a signal."""

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import StoppedError
from gandlf_synth.training.callbacks.agreement import Agreement
from gandlf_synth.training.callbacks.closing import ClosingTime

_COOLDOWN = 0.4


class TimeBudget(Callback):
    """Stops training after a wall time; without a scheduler, lowers the learning rates linearly to zero at the end.

    A constant rate leaves noise in the weights, and so in the images; a linear cooldown over the last part of the run
    removes it (Hägele et al. 2024, arXiv 2405.18392). Networks that take turns cool down each at the end of its own.
    The clock is the first process's: by it all processes choose alike what learns.

    Args:
        seconds: the wall time of the training, with what follows its last step.
        closing: foretells what that takes.
        cool_down: whether to lower the rate; false where a scheduler decides it.
    """

    def __init__(self, seconds: float, closing: ClosingTime, *, cool_down: bool) -> None:
        self._seconds, self._closing = seconds, closing
        self._cool_down = cool_down
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Tell the model the time, and set the learning rates for what is left of it."""
        limit = max(1e-3, self._seconds - self._closing.seconds)
        elapsed: float = trainer.strategy.broadcast(min(1.0, (time.monotonic() - self._started) / limit))
        pl_module.elapsed_fraction = elapsed
        if not self._cool_down:
            return
        networks = pl_module.config.networks
        for number, optimizer in enumerate(trainer.optimizers):
            start, end = pl_module.learning_span(networks[min(number, len(networks) - 1)])
            left = (end - elapsed) / (end - start)
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * min(1.0, max(0.0, left / _COOLDOWN))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Stop when the time is over."""
        over = time.monotonic() - self._started >= self._seconds - self._closing.seconds
        trainer.should_stop = trainer.should_stop or trainer.strategy.broadcast(over)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_BETWEEN_CHECKPOINTS = 600.0


class Interruption(Callback):
    """Ends training after the current batch when Ctrl-C or SIGTERM arrives, with a checkpoint to resume from.

    The first signal waits for the batch, and of several processes for about a second; a second one does not. In epochs
    that are long a checkpoint is written every ten minutes, so that a crash costs no more.

    Args:
        path: the checkpoint.

    Raises:
        StoppedError: in the hook after the batch.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}
        self._saved = 0.0
        self._agreement = Agreement()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the signals."""
        self._saved = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, object]) -> None:
        """Note that there is a checkpoint, whoever asked for it."""
        self._saved = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop when a signal came at the end of the epoch before, of which there is a checkpoint."""
        self._stop_if(trainer, trainer.strategy.reduce_boolean_decision(self._received is not None, all=False))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Save and stop when a signal came, save when it is time; at an epoch's end others save."""
        accumulating = (batch_idx + 1) % pl_module.config.accumulate_grad_batches != 0
        if trainer.is_last_batch or accumulating:
            return
        late = trainer.is_global_zero and time.monotonic() - self._saved > _SECONDS_BETWEEN_CHECKPOINTS
        received, due = self._agreement.reach(trainer, self._received is not None, late) or (0, 0)
        if received or due:
            trainer.save_checkpoint(self._path)
        self._stop_if(trainer, bool(received))

    def _stop_if(self, trainer: Trainer, received: bool) -> None:
        if received:
            stopped_by = self._received or signal.SIGTERM
            raise StoppedError(stopped_by, stopped_by.name, trainer.global_step)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)
