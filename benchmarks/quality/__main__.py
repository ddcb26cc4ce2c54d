"""``python -m benchmarks.quality [--tasks …] [--competitors …] [--minutes 7] [--seeds 0 1 2] [-o JSON]``."""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.quality import ours, rivals
from benchmarks.quality.recipes import OURS
from benchmarks.quality.result import Trained
from benchmarks.quality.tasks import TASKS, Task
from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.scoring import features, score

_RESULTS = Path(__file__).parents[1] / "results" / "quality_cpu.json"


def main() -> None:
    """Train every competitor on every task for the same time, sample, score, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--competitors", nargs="+", choices=[*OURS, *rivals.RIVALS])
    parser.add_argument("--minutes", type=float, default=7.0, help="of training, per competitor, task and seed")
    parser.add_argument("--images", type=int, default=400, help="samples that are scored")
    parser.add_argument("--ancestral-steps", type=int, default=100, help="of the rivals; their tutorials use 1000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the samples")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    result: dict[str, Any] = {"setting": _setting(options), "tasks": {}}
    for name in options.tasks:
        with TemporaryDirectory() as folder:
            task = TASKS[name](Path(folder) / "images")
            result["tasks"][name] = _task(task, options, Path(folder))
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n")


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "load_average_at_start": os.getloadavg()[0],
        "minutes_of_training": options.minutes,
        "images_scored": options.images,
        "seeds": options.seeds,
        "score": "KID of efficientnet-lite0 at 224, unbiased, 95 % bootstrap over images",
    }


def _task(task: Task, options: argparse.Namespace, root: Path) -> dict[str, Any]:
    extractor = build_extractor("efficientnet-lite0")
    real = features(task.tensors(task.test).split(64), extractor)
    drawn = torch.randperm(len(task.train), generator=torch.Generator().manual_seed(0))[: options.images]
    train = features(task.tensors([task.train[place] for place in drawn.tolist()]).split(64), extractor)
    rows: dict[str, Any] = {"source": task.source, "train": len(task.train), "test": len(task.test)}
    rows["floor"] = asdict(score(real, train).kid)
    print(task.name, json.dumps(rows), flush=True)
    names = options.competitors or [
        name
        for name in [*OURS, *rivals.RIVALS]
        if not (name == "latent_diffusion" and len(task.shape) == 2)
        and not (name == "diffusers_example" and len(task.shape) == 3)
    ]
    rows["competitors"] = {name: [] for name in names}
    for seed in options.seeds:
        for name in names:
            folder = root / f"{name}_{seed}"
            folder.mkdir()
            trained = _trainer(name, options, folder)(task, seed)
            found = _judged(trained, task, real, extractor, options.images, name, options.sheets)
            rows["competitors"][name].append({"seed": seed, **found})
            print(task.name, name, seed, json.dumps(found), flush=True)
    return rows


def _trainer(name: str, options: argparse.Namespace, folder: Path) -> Callable[[Task, int], Trained]:
    seconds = 60 * options.minutes
    if name in OURS:
        return lambda task, seed: ours.train(OURS[name], task, seconds, seed, folder)
    return lambda task, seed: rivals.train(
        rivals.RIVALS[name], task, seconds, seed,
        ancestral_steps=options.ancestral_steps, batch=ours.BATCH[len(task.shape)],
    )  # fmt: skip


def _judged(
    trained: Trained, task: Task, real: Floats, extractor: Any, count: int, name: str, sheets: Path | None
) -> dict[str, Any]:
    labels = torch.tensor(task.labels)[torch.randperm(len(task.labels))[:count]] if task.labels else None
    started = time.monotonic()
    images = trained.sample(count, 64 if len(task.shape) == 2 else 4, labels)
    seconds = (time.monotonic() - started) / count
    found = score(real, features(images.split(64), extractor))
    if sheets is not None and len(task.shape) == 2:
        tiles = ((images[:24, 0] + 1) * 127.5).clamp(0, 255).to(torch.uint8).transpose(1, 2).numpy()
        save_png(contact_sheet([SheetRow(name, list(tiles))]), sheets / f"{task.name}_{name}.png")
    return {
        "kid": asdict(found.kid),
        "density": found.overlap.density,
        "coverage": found.overlap.coverage,
        "seconds_per_image": seconds,
        "steps": trained.steps,
        "parameters": trained.parameters,
        "sampling": trained.sampling,
    }


main()
