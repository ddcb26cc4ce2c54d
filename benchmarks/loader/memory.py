"""Resident memory of a process that has prepared a CSV and drawn one epoch from it: ``python -m … CSV CACHE``."""

import gc
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.loader.ours import planned
from benchmarks.loader.tasks import BATCH

ROWS = (200, 2_000, 20_000)
_SIDE = 64


def by_rows(folder: Path) -> dict[str, Any]:
    """Return MiB after an epoch for each number of rows, every one in a process of its own."""
    found = {}
    for rows in ROWS:
        csv = _write(folder / f"rows_{rows}", rows)
        command = [sys.executable, "-m", "benchmarks.loader.memory", str(csv), str(folder / f"cache_{rows}")]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[rows] = json.loads(printed.splitlines()[-1])
    resident = [found[rows]["resident_mib"] for rows in ROWS]
    growth = [later / earlier for earlier, later in itertools.pairwise(resident)]
    return {"by_rows": found, "ratio_per_tenfold": growth, "image": f"{_SIDE}×{_SIDE} uint8 .npy"}


def _write(folder: Path, rows: int) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for row in range(rows):
        np.save(folder / f"image_{row:05d}.npy", rng.integers(0, 255, (_SIDE, _SIDE), dtype=np.uint8))
    csv = folder / "data.csv"
    csv.write_text("\n".join(["Channel_0", *(f"image_{row:05d}.npy" for row in range(rows))]) + "\n")
    return csv


def _measure(csv: Path, cache: Path) -> dict[str, float]:
    configuration = {
        "model_config": {"model_name": "ddpm", "architecture": {}, "tensor_shape": [_SIDE, _SIDE]},
        "data_preprocessing": {"train": [{"resize": [_SIDE, _SIDE]}, "normalize"]},
        "batch_size": BATCH,
        "compute": {"accelerator": "cpu"},
    }
    run = planned(configuration, csv, cache)
    loader = run.datamodule(run.prepare(cache)).train_dataloader()
    resident = 0.0
    for number, _ in enumerate(loader):
        if number % 100 == 0:
            resident = max(resident, _resident())
    gc.collect()
    peak = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])
    return {"resident_mib": max(resident, _resident()), "peak_mib": peak / 1024}


def _resident() -> float:
    """Return the memory of this process and its workers, shared pages counted once."""
    own = psutil.Process()
    return sum(each.memory_full_info().pss for each in [own, *own.children(recursive=True)]) / 2**20


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), Path(sys.argv[2]))))
