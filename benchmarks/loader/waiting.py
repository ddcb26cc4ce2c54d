"""The share of a training step that is spent waiting for data, in a real run of ddpm."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from lightning.pytorch import Callback, seed_everything
from rich.console import Console
from torch.utils.data import DataLoader

from benchmarks.loader.ours import planned
from benchmarks.loader.tasks import Task
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.build import build_module
from gandlf_synth.training.fit import fit

_EPOCHS = 2
_BATCHES = 6
"""Batches of an epoch; the first one of the run warms up and is left out."""


class _Watched(DataLoader[Any]):
    waits: list[float]

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            started = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.waits.append(time.perf_counter() - started)
            yield batch


class _Clock(Callback):
    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps.append(time.perf_counter() - self._started)


def waiting(task: Task, folder: Path) -> dict[str, float]:
    """Return the median seconds of a step and of the wait before it, and the wait's share of both together."""
    images = task.files[: _BATCHES * 16]
    few = Task(task.name, task.source, images, task.shape, task.steps)
    configuration = few.configuration()
    configuration["model_config"]["save_eval_images_every_n_epochs"] = -1
    run = planned(configuration | {"num_epochs": _EPOCHS}, few.write_csv(folder / "few.csv"), folder / "cache")
    data, config = run.prepare(folder / "cache"), run.plan.config
    seed_everything(config.seed, verbose=False)
    module = build_module(config.model.model_dump(mode="json"), data.spec)
    datamodule = run.datamodule(data)
    waits, make = [], datamodule.train_dataloader

    def watched() -> DataLoader[Any]:
        loader = make()
        loader.__class__ = _Watched
        loader.__dict__["waits"] = waits
        return loader

    datamodule.train_dataloader = watched  # type: ignore[method-assign]
    clock = _Clock()
    fit(module, datamodule, config, ModelFolder(folder / "model"), Console(quiet=True), callbacks=[clock])
    wait, step = median(waits[1:]), median(clock.steps[1:])
    return {"step_seconds": step, "wait_seconds": wait, "share": wait / (wait + step), "steps": len(clock.steps)}
