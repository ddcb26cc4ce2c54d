"""A few real steps at full size, to know what a run will need before it is begun."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from rich.console import Console

from gandlf_synth.config import Config, resolved
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.launcher import peak_device_memory_mb
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.build import build_module
from gandlf_synth.training.data import TrainingData
from gandlf_synth.training.fit import fit

_STEPS = 4


@dataclass(frozen=True)
class Trial:
    """What a step costs.

    Args:
        parameters: trainable weights.
        seconds_per_step: median of the steps after the first.
        peak_memory_mb: the largest resident memory of the process, MiB; of the GPU where there is one.
        loss: of the last step.
    """

    parameters: int
    seconds_per_step: float
    peak_memory_mb: float
    loss: float


class _Clock(Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._started = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        self.seconds.append(time.monotonic() - self._started)


def try_steps(config: Config, data: TrainingData) -> Trial:
    """Train for a few steps on real batches, in a folder that is thrown away.

    Raises:
        ResourceError: memory runs out.
        ConfigError: optimizer or scheduler refuse their parameters.
    """
    seed_everything(config.seed, workers=True, verbose=False)
    module = build_module(config.model, data.spec)
    module.check_components()
    model = config.model.model_copy(update={"save_eval_images_every_n_epochs": -1})
    few = config.model_copy(
        update={
            "num_epochs": 1,
            "model": model,
            "save_model_every_n_epochs": -1,
            "sample_metrics_config": None,
            "early_stopping_config": None,
        }
    )
    clock, console = _Clock(), Console(quiet=True)
    batches = data.first(_STEPS * resolved(config.batch_size)).loaders(config, workers=0)
    with TemporaryDirectory() as folder:
        result = fit(module, batches, few, ModelFolder(Path(folder)), console, callbacks=[clock])
    return Trial(
        parameters=sum(weight.numel() for weight in module.parameters() if weight.requires_grad),
        seconds_per_step=median(clock.seconds[1:] or clock.seconds),
        peak_memory_mb=peak_device_memory_mb(),
        loss=result.metrics.get("train_loss", float("nan")),
    )
