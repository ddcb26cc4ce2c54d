"""Short training runs of every family on made-up data, for tests that need a real trainer."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from rich.console import Console

from gandlf_synth import registry
from gandlf_synth.config import Config, Document, LabelingParadigm, validate
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.testing import synthetic_data, synthetic_spec, with_conditions
from gandlf_synth.training.fit import FitResult, fit


class SignalBefore(Callback):
    """Sends SIGTERM before a batch ends."""

    def __init__(self, batch: int) -> None:
        self._batch = batch

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == self._batch:
            signal.raise_signal(signal.SIGTERM)


@dataclass(frozen=True)
class Run:
    """A run that has ended, and what it left."""

    module: GenerativeModule
    result: FitResult
    folder: ModelFolder


def tiny_config(family: str, compute: Mapping[str, Any], **section: Any) -> Config[Any]:
    """The family's ``tiny`` configuration, on one device."""
    tiny = registry.load("models", family).tiny
    model = {"model_name": family, **tiny, "save_eval_images_every_n_epochs": -1, **section}
    content = {"model_config": model, "batch_size": 4, "num_epochs": 2}
    config = validate(Document("test", content)).config
    chosen = {"accelerator": "cpu", "num_devices": 1, "precision": "32-true", **compute}
    return config.model_copy(update={"compute": config.compute.model_copy(update=chosen)})


def tiny_spec(dims: int, paradigm: LabelingParadigm = "custom", channels: int = 1) -> DataSpec:
    """Images whose sides no stride divides."""
    return synthetic_spec((10, 12, 9)[:dims], channels, paradigm)


def tiny_module(config: Config[Any], spec: DataSpec) -> GenerativeModule:
    """The model with the weights of seed 0."""
    torch.manual_seed(0)
    return build_module(config.model.model_dump(mode="json"), with_conditions(spec, config.model.conditioning))


def train(
    family: str,
    root: Path,
    *,
    dims: int = 2,
    samples: int = 8,
    epochs: int = 2,
    callbacks: Sequence[Callback] = (),
    resume_from: Path | None = None,
    batch_size: int = 4,
    seconds: float | None = None,
    compute: Mapping[str, Any] | None = None,
    section: Mapping[str, Any] | None = None,
) -> Run:
    """Train ``family`` for some steps on made-up images."""
    config = tiny_config(family, compute or {}, **(section or {})).model_copy(update={"num_epochs": epochs})
    root.mkdir(parents=True, exist_ok=True)
    module, folder = tiny_module(config, tiny_spec(dims)), ModelFolder(root / "model")
    data = synthetic_data(module.spec, root, samples=samples, batch_size=batch_size)
    result = fit(
        module, data, config, folder, Console(quiet=True),
        resume_from=resume_from, seconds=seconds, callbacks=list(callbacks),
    )  # fmt: skip
    return Run(module, result, folder)
