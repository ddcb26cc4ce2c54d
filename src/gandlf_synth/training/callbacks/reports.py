"""What a training says while it runs: where it is, and when the model is not well."""

import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.health import Symptom
from gandlf_synth.training.request import ENDLESS

_LOG_SECONDS = 30.0
_BAR_SECONDS = 0.5
"""Between changes of the bar: showing a loss waits for the GPU."""


class RunProgress(Callback):
    """Shows a live bar on a terminal, and a line now and then in a log.

    Args:
        console: where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: Any = None
        self._started = self._last_line = 0.0
        self._first_progress = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self._started = self._last_line = time.monotonic()
        self._first_progress = pl_module.run_progress
        if not trainer.is_global_zero or not self._console.is_terminal:
            return
        columns = (
            TextColumn("Training"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("", total=1.0)
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Move the bar."""
        now = time.monotonic()
        if not trainer.is_global_zero or now - self._last_line < (_LOG_SECONDS if self._bar is None else _BAR_SECONDS):
            return
        self._last_line = now
        last = "" if (trainer.max_epochs or ENDLESS) >= ENDLESS else f"/{trainer.max_epochs}"
        text = f"epoch {trainer.current_epoch + 1}{last}, step {trainer.global_step}{_losses(trainer)}"
        done: float = pl_module.run_progress
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        else:
            self._console.print(f"Training {done:4.0%}  {text}, {self._remaining(done)} left", highlight=False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar, however training ended."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _remaining(self, done: float) -> timedelta:
        elapsed = time.monotonic() - self._started
        return timedelta(seconds=round(elapsed * (1 - done) / max(done - self._first_progress, 1e-6)))


def _losses(trainer: Trainer) -> str:
    shown = {name: value for name, value in trainer.callback_metrics.items() if name.endswith("_loss")}
    return "".join(f", {name} {float(value):.4f}" for name, value in shown.items())


_PATIENCE = 3
"""Readings in a row after which a symptom is no accident."""


class HealthMonitor(Callback):
    """Asks the model for symptoms after every epoch, and says each one once when it persists.

    Args:
        console: where to say it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in_a_row: dict[str, int] = {}
        self._said: dict[str, str] = {}

    @property
    def findings(self) -> list[str]:
        """What was said, one line per symptom."""
        return list(self._said.values())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the model's health."""
        if not isinstance(pl_module, GenerativeModule):
            return
        symptoms = pl_module.symptoms()
        if symptoms is None or not trainer.is_global_zero:
            return
        self._in_a_row = {symptom.name: self._in_a_row.get(symptom.name, 0) + 1 for symptom in symptoms}
        for symptom in symptoms:
            if self._in_a_row[symptom.name] >= _PATIENCE and symptom.name not in self._said:
                self._say(symptom, trainer.current_epoch + 1)

    def _say(self, symptom: Symptom, epoch: int) -> None:
        line = f"health, epoch {epoch}: {symptom}"
        self._said[symptom.name] = line
        self._console.print(Text(f"Warning: {line}", "yellow"))
