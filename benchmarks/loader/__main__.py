"""``python -m benchmarks.loader [-o JSON]``: everything, in one run."""

import argparse
import json
import os
import platform
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.loader.memory import by_rows
from benchmarks.loader.speed import REPEATS, first_epoch, later_epochs
from benchmarks.loader.tasks import BATCH, brain_tumor, hippocampus
from benchmarks.loader.waiting import waiting

_RESULTS = Path(__file__).parents[1] / "results" / "loader_cpu.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loader")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    output = parser.parse_args().output
    with TemporaryDirectory() as folder:
        result = {"setting": _setting(), **_everything(Path(folder))}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _setting() -> dict[str, Any]:
    return {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "load_average_at_start": os.getloadavg()[0],
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "batch_size": BATCH,
        "repeats": REPEATS,
        "figures": "medians; ratios within this run",
    }


def _everything(root: Path) -> dict[str, Any]:
    workers = os.cpu_count() or 1
    later, first, waits = {}, {}, {}
    for make in (hippocampus, brain_tumor):
        folder = root / make.__name__
        folder.mkdir()
        task = make(folder / "images")
        later[task.name] = later_epochs(task, folder)
        first[task.name] = first_epoch(task, folder, workers)
        waits[task.name] = waiting(task, folder)
    return {"later_epochs": later, "first_epoch": first, "waiting_in_ddpm": waits, "memory": by_rows(root)}


main()
