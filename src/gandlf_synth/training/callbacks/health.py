"""Speaks up when a model reports that its training has gone wrong."""

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.text import Text

from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.health import Symptom

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
        self._in_a_row = {each.name: self._in_a_row.get(each.name, 0) + 1 for each in symptoms}
        for symptom in symptoms:
            if self._in_a_row[symptom.name] >= _PATIENCE and symptom.name not in self._said:
                self._say(symptom, trainer.current_epoch + 1)

    def _say(self, symptom: Symptom, epoch: int) -> None:
        line = f"health, epoch {epoch}: {symptom}"
        self._said[symptom.name] = line
        self._console.print(Text(f"Warning: {line}", "yellow"))
