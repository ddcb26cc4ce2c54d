"""Runs Lightning: callbacks, loggers, devices, and what is known when training has ended."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from pydantic import JsonValue
from rich.console import Console

from gandlf_synth.config import ComputeConfig, Config, EarlyStoppingConfig, ModelConfig, resolved
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.launcher import launcher_counts, node_count, processes_here
from gandlf_synth.metrics.paired.base import build_paired_metric
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.training.callbacks import (
    ClosingTime,
    ExponentialMovingAverage,
    FiniteSteps,
    HealthMonitor,
    Interruption,
    PowerAverages,
    RateSchedule,
    ReconstructionMetrics,
    Resumption,
    RunProgress,
    SampleGrid,
    SampleMetrics,
    SharedWeights,
    StepSeeds,
    TimeBudget,
    cuda_graphs,
)
from gandlf_synth.training.checkpoints import AtomicCheckpoints, Description, checkpoint_rules
from gandlf_synth.training.loggers import opened_loggers
from gandlf_synth.training.memory import memory_guard
from gandlf_synth.training.privacy.batches import PrivateDataModule
from gandlf_synth.training.privacy.gradients import check_layers
from gandlf_synth.training.privacy.steps import PrivateSteps
from gandlf_synth.training.strategy import strategy_for


@dataclass(frozen=True)
class FitResult:
    """How training ended."""

    epochs: int
    steps: int
    seconds: float
    """Of preparing and training, in all sessions of the run together."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of everything that was logged."""
    findings: list[str] = field(default_factory=list)
    """What the model reported as having gone wrong, one line each."""
    privacy: Mapping[str, JsonValue] = field(default_factory=dict)
    """What was spent of a privacy budget, and how; empty where there was none."""


class _SampleStopping(EarlyStopping):
    """Stops after so many measurements of samples without improvement."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if SampleMetrics.measured(trainer):
            super().on_train_epoch_end(trainer, pl_module)


def fit(
    module: GenerativeModule,
    data: SynthesisDataModule,
    config: Config,
    folder: ModelFolder,
    console: Console,
    *,
    resume_from: Path | None = None,
    seconds: float | None = None,
    prepared: float = 0.0,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train ``module`` and test it where there is a test split.

    Args:
        module: the model.
        data: the loaders.
        config: the resolved configuration.
        folder: where checkpoints, logs and grids go.
        console: where progress is shown.
        resume_from: a checkpoint to go on from.
        seconds: be over by itself when all sessions of the run have taken this time, with preparation, validation,
            grids and test.
        prepared: the seconds that this session has taken to prepare.
        callbacks: Lightning callbacks besides the project's own.

    Raises:
        StoppedError: a signal stopped it; a checkpoint was written.
        TrainingError: the numbers are not finite any more.
        ResourceError: memory ran out, or a tracker cannot be used.
    """
    quiet_lightning()
    if config.privacy is not None:
        check_layers(module)
    closing = ClosingTime(seconds, data.batches("test")) if seconds is not None else None
    clock = TimeBudget(seconds, closing, prepared)
    health = HealthMonitor(console)
    with opened_loggers(config, folder) as loggers:
        trainer = Trainer(
            max_epochs=config.num_epochs,
            callbacks=[health, *filter(None, (closing, clock)), *_callbacks(config, data, folder, console), *callbacks],
            logger=loggers,
            plugins=None if config.compute.strategy == "deepspeed" else [AtomicCheckpoints()],
            log_every_n_steps=10,
            **trainer_options(module, config),
        )
        if config.compute.compile:
            module.compile_networks()
        with memory_guard(config):
            trainer.fit(module, datamodule=data, ckpt_path=resume_from, weights_only=True)
        metrics = _values(trainer)
        if data.has("test"):
            trainer.test(module, datamodule=data, verbose=False)
            metrics |= _values(trainer)
    steps = _steps(trainer, module)
    return FitResult(trainer.current_epoch, steps, clock.seconds, metrics, health.findings, module.privacy)


def _callbacks(config: Config, data: SynthesisDataModule, folder: ModelFolder, console: Console) -> list[Callback]:
    callbacks: list[Callback] = [SharedWeights()] if config.compute.strategy == "fsdp" else []
    if isinstance(data, PrivateDataModule):
        callbacks.append(PrivateSteps(data.plan))
    callbacks += [StepSeeds(config.seed), Description(), Resumption(data), RunProgress(console)]
    if config.model.ema_decay > 0:
        begins_trained = config.model.init_from is not None
        callbacks.append(ExponentialMovingAverage(config.model.ema_decay, begins_trained=begins_trained))
    if config.model.ema_widths:
        callbacks.append(PowerAverages(config.model.ema_widths))
    if resolved(config.model.save_eval_images_every_n_epochs) not in (-1, 0):
        callbacks.append(SampleGrid(folder.eval_images, config.model))
    if config.metrics:
        measures = {metric.name: build_paired_metric(metric.name, metric.parameters) for metric in config.metrics}
        callbacks.append(ReconstructionMetrics(measures))
    if config.early_stopping_config:
        callbacks.append(_stopping(config.early_stopping_config))
    callbacks += cuda_graphs(config) if config.privacy is None else []
    if config.model.schedulers is None:
        callbacks.append(RateSchedule(config.model.lr_warmup_fraction, config.model.lr_cooldown_fraction))
    callbacks += [FiniteSteps(folder.root, folder.last), Interruption(folder.last)]
    chooses = data.has("val") and config.privacy is None  # a choice by the loss would tell of real images
    return [*callbacks, *checkpoint_rules(config, folder, validated=chooses)]


def _stopping(stopping: EarlyStoppingConfig) -> EarlyStopping:
    options: dict[str, object] = {"mode": stopping.monitor_mode, "patience": stopping.patience}
    if stopping.monitor_value.startswith("sample_"):
        return _SampleStopping(stopping.monitor_value, check_on_train_epoch_end=True, **options)
    return EarlyStopping(stopping.monitor_value, **options)


def trainer_options(module: GenerativeModule, config: Config) -> dict[str, object]:
    """Return how Lightning trains ``module``: devices, numbers, and how the optimizer is stepped."""
    return {
        **_stepping(module, config.model),
        **_compute(config.compute, several_optimizers=not module.automatic_optimization),
        "use_distributed_sampler": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


def _stepping(module: GenerativeModule, model: ModelConfig) -> dict[str, object]:
    """Return how Lightning steps the optimizer; models of several optimizers step by themselves."""
    if not module.automatic_optimization:
        return {}
    return {
        "gradient_clip_val": model.gradient_clip_val,
        "gradient_clip_algorithm": model.gradient_clip_algorithm,
        "accumulate_grad_batches": model.accumulate_grad_batches,
    }


def _compute(compute: ComputeConfig, *, several_optimizers: bool) -> dict[str, object]:
    on_cpu = compute.accelerator == "cpu" or not torch.cuda.is_available()
    devices = compute.num_devices
    if devices == "auto" and (on_cpu or launcher_counts()):
        devices = processes_here()
    return {
        "accelerator": "cpu" if on_cpu and compute.accelerator == "auto" else compute.accelerator,
        "devices": devices,
        "num_nodes": max(compute.num_nodes, node_count()),
        "strategy": strategy_for(compute, several_optimizers=several_optimizers),
        "precision": compute.precision,
        "deterministic": compute.deterministic or None,
        "inference_mode": compute.strategy != "fsdp",  # what is brought together there could not learn any more
    }


def _steps(trainer: Trainer, module: GenerativeModule) -> int:
    """Return the number of training steps, however many networks took part in each."""
    if module.automatic_optimization:
        return int(trainer.global_step)
    every = module.config.accumulate_grad_batches
    batches = trainer.fit_loop.epoch_loop.batch_progress.total.completed
    epochs, rest = divmod(batches, max(1, int(trainer.num_training_batches)))
    return int(epochs * ceil(trainer.num_training_batches / every) + rest // every)


def _values(trainer: Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def quiet_lightning() -> None:
    """Keep Lightning's hints to developers away from users; its errors still come through."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
    warnings.filterwarnings("ignore", message=".*returned a view tensor.*")  # which nobody here changes in place
    warnings.filterwarnings("ignore", message=".*AccumulateGrad node's stream.*")  # of a graph's warm-up
