"""What a training does after its last step, foretold so that a run which the clock ends is over in time."""

import time

from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import sample_batches
from gandlf_synth.training.callbacks.grid import SampleGrid
from gandlf_synth.training.callbacks.sample_metrics import SampleMetrics

_FORWARD_SHARE = 0.4
"""Of the time of a training step, what looking at a batch takes without learning from it."""
_GRID_SHARE = 0.1
"""Of the time of a run, what the last grid may take: fewer images are drawn where all would take longer."""


class ClosingTime(Callback):
    """Foretells the seconds after the last step: validation, sample metrics, the last grid, the test.

    Each is taken to last as long as the last time; before the first, a trial of one image and the time of training
    steps stand in for it.

    Args:
        seconds: of the whole run.
        test_batches: in the test split.
    """

    def __init__(self, seconds: float, test_batches: int) -> None:
        self._seconds, self._test_batches = seconds, test_batches
        self._started = self._step = 0.0
        self._validation: float | None = None
        self._trainer: Trainer | None = None

    @property
    def seconds(self) -> float:
        """The seconds that follow the last step, as far as is known."""
        if self._trainer is None:
            return 0.0
        batches = sum(self._trainer.num_val_batches)
        validation = self._step * _FORWARD_SHARE * batches if self._validation is None else self._validation
        tested = (validation / batches if batches else self._step * _FORWARD_SHARE) * self._test_batches
        callbacks: list[Callback] = self._trainer.callbacks
        drawn = sum(each.seconds for each in callbacks if isinstance(each, SampleGrid | SampleMetrics))
        return validation + tested + drawn

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sample one image, to know what a grid will take."""
        self._trainer = trainer
        callbacks: list[Callback] = trainer.callbacks
        grid = next((each for each in callbacks if isinstance(each, SampleGrid)), None)
        if grid is not None and isinstance(pl_module, GenerativeModule):
            grid.expect(_sampling_seconds(pl_module), self._seconds * _GRID_SHARE)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Start the clock of the step, whatever came between the last one and this."""
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Take the time of the step."""
        self._step = time.monotonic() - self._started

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the time of the validation."""
        self._validation = time.monotonic() - self._started


def _sampling_seconds(module: GenerativeModule) -> float:
    """Return the seconds that one image takes."""
    was_training = module.training
    condition = class_condition([0] if module.spec.num_classes else None)
    started = time.monotonic()
    list(sample_batches(module.eval(), [((0,), condition)], SamplingOptions()))
    module.train(was_training)
    return time.monotonic() - started
