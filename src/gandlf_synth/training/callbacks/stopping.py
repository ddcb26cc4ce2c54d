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


class TimeBudget(Callback):
    """Counts the seconds of training, those of earlier sessions included, and stops when they are used up.

    The clock is the first process's: by it all processes choose alike what learns.

    Args:
        limit: the seconds of the run, all sessions together, with preparation and what follows its last step; None:
            only epochs limit it.
        closing: foretells what follows the last step.
        prepared: the seconds that this session has taken to prepare.
    """

    def __init__(self, limit: float | None, closing: ClosingTime | None = None, prepared: float = 0.0) -> None:
        self._limit, self._closing = limit, closing
        self._prepared = prepared
        self._trained = self._used_up = 0.0
        self._started: float | None = None
        self._agreement = Agreement(min(1.0, (limit or 1.0) / 100))

    @property
    def seconds(self) -> float:
        """The seconds that the run has taken so far."""
        return self._prepared + self._now()

    def _now(self) -> float:
        """Return the seconds of training so far."""
        return self._trained + (time.monotonic() - self._started if self._started is not None else 0.0)

    def _share(self) -> float:
        """Return how much of the time for training is over."""
        if self._limit is None:
            return 0.0
        for_training = max(1.0, self._limit - self._prepared) - (self._closing.seconds if self._closing else 0.0)
        return self._now() / max(1e-3, for_training)

    def state_dict(self) -> dict[str, float]:
        """Return what goes into a checkpoint."""
        return {"prepared": self._prepared, "trained": self._now(), "used_up": self._used_up}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from the time of a checkpoint."""
        self._prepared += state_dict["prepared"]
        self._trained, self._used_up = state_dict["trained"], state_dict["used_up"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; where a run that goes on has no time left, train no more."""
        if self._limit is not None and self._trained:
            share = trainer.strategy.broadcast(1.0 if self._limit <= self._used_up else self._share())
            pl_module.elapsed_fraction = min(1.0, share)
            trainer.should_stop = trainer.should_stop or share >= 1
        self._started = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._trained, self._started = self._now(), None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Tell the model the time."""
        if self._limit is not None:
            self._tell(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Stop when the time is over."""
        if self._limit is not None:
            self._tell(trainer, pl_module)
            over = pl_module.elapsed_fraction >= 1
            self._used_up = self._limit if over else 0.0
            trainer.should_stop = trainer.should_stop or over

    def _tell(self, trainer: Trainer, pl_module: LightningModule) -> None:
        agreed = self._agreement.reach(trainer, self._share() if trainer.is_global_zero else 0.0)
        if agreed is not None:
            pl_module.elapsed_fraction = min(1.0, agreed[0])


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_SECONDS_BETWEEN_CHECKPOINTS = 600.0


class Interruption(Callback):
    """Ends training after the current batch when Ctrl-C, SIGTERM or SIGUSR1 arrives, with a checkpoint to resume from.

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
