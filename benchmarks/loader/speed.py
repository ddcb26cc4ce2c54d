"""Images per second after the first epoch, and the first epoch itself."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.loader.ours import planned
from benchmarks.loader.rivals import cache_loader, persistent_loader, torchio_loader
from benchmarks.loader.tasks import Task

REPEATS = 5


def later_epochs(task: Task, folder: Path) -> dict[str, Any]:
    """Return the throughput of each loader over whole epochs after the first, interleaved, medians of ``REPEATS``."""
    run = planned(task.configuration(), task.write_csv(folder / "data.csv"), folder / "cache")
    ours = run.datamodule(run.prepare(folder / "cache")).train_dataloader()
    loaders: dict[str, Iterable[Any]] = {
        "gandlf_synth": ours,
        "torchio_subjects_loader": torchio_loader(task, 0),
        "monai_persistent_dataset": persistent_loader(task, folder / "persistent"),
        "monai_cache_dataset": cache_loader(task),
    }
    for name, loader in loaders.items():
        if name != "torchio_subjects_loader":
            _pass(loader)
    seconds: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(REPEATS):
        for name, loader in loaders.items():
            seconds[name].append(_timed(lambda loader=loader: _pass(loader)))
    rates = {name: len(task.files) / median(times) for name, times in seconds.items()}
    ratios = {name: rates["gandlf_synth"] / rate for name, rate in rates.items() if name != "gandlf_synth"}
    return {"images": len(task.files), "source": task.source, "images_per_second": rates, "ratio_to": ratios}


def first_epoch(task: Task, folder: Path, workers: int) -> dict[str, float]:
    """Return the seconds of preprocessing into an empty cache and one epoch, and of one pass of TorchIO."""
    run = planned(task.configuration(), task.write_csv(folder / "data.csv"), folder / "cache")
    own, other = [], []
    for _ in range(REPEATS):
        with TemporaryDirectory(dir=folder) as cache:
            own.append(_timed(lambda cache=cache: _pass(run.datamodule(run.prepare(Path(cache))).train_dataloader())))
        other.append(_timed(lambda: _pass(torchio_loader(task, workers))))
    return {
        "gandlf_synth_seconds": median(own),
        "torchio_seconds": median(other),
        "workers": workers,
        "ratio": median(other) / median(own),
    }


def _pass(loader: Iterable[Any]) -> None:
    for _ in loader:
        pass


def _timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
