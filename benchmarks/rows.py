"""What ``check`` and the start of ``train`` cost by the number of rows; part of ``benchmarks.scale``.

The images are 8×8 arrays, so that what is measured is the cost of a row and not of its voxels. CPU seconds and the
peak of memory are those of the whole process, imports included; ``imports`` says how much that is.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

PROGRAM = (sys.executable, "-m", "gandlf_synth")
_SIZE = 8
_PER_FOLDER = 1000
_LONGEST = 900
"""Seconds after which a command is given up."""
TINY = f"""\
model_config:
  model_name: ddpm
  tensor_shape: [{_SIZE}, {_SIZE}]
  architecture: {{num_channels: [8, 8], attention_levels: [false, false], num_res_blocks: 1, norm_num_groups: 4}}
  save_eval_images_every_n_epochs: -1
num_epochs: 1
batch_size: 16
compute: {{accelerator: cpu}}
"""
STOP_AT_FIRST_STEP = """\
import os
from lightning.pytorch import Callback, Trainer
begin = Trainer.fit
class Stop(Callback):
    def on_train_batch_end(self, *_):
        os._exit(0)
def fit(self, *words, **more):
    self.callbacks.append(Stop())
    return begin(self, *words, **more)
Trainer.fit = fit
"""


def measure_rows(counts: Sequence[int]) -> dict[str, Any]:
    """Return seconds, CPU seconds and MiB of each command for each number of rows."""
    setting = {"image": f"{_SIZE}×{_SIZE} uint8 .npy", "cores": os.cpu_count(), "given_up_after_seconds": _LONGEST}
    load = os.getloadavg()[0]
    return {"setting": {**setting, "load_average_at_start": load}, "runs": [_measure(count) for count in counts]}


def _measure(count: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.yaml").write_text(TINY)
        (root / "stop.py").write_text(STOP_AT_FIRST_STEP)
        table, missing = _write_rows(root, count)
        data = ("-c", root / "config.yaml", "-dt")
        train = ("train", "--plugin", root / "stop.py", *data, table)
        return {
            "rows": count,
            "imports": cost_of(root, sys.executable, "-c", "import gandlf_synth.training.fit"),
            "check, all files missing": cost_of(root, *PROGRAM, "check", *data, missing, expect=3),
            "check": cost_of(root, *PROGRAM, "check", *data, table),
            "check again": cost_of(root, *PROGRAM, "check", *data, table),
            "train to the first step": cost_of(root, *PROGRAM, *train, "-m-dir", root / "one"),
            "train again, all prepared": cost_of(root, *PROGRAM, *train, "-m-dir", root / "two"),
        }


def write_noise(root: Path, count: int, shape: tuple[int, ...], columns: Sequence[str] = ("Channel_0",)) -> Path:
    """Write an array of noise of 8 bits for each column of ``count`` subjects; return their CSV, ``root/data.csv``."""
    rng = np.random.default_rng(0)
    lines = [",".join(("SubjectID", *columns))]
    for index in range(count):
        paths = [root / f"{index}_{column}.npy" for column in columns]
        for path in paths:
            np.save(path, rng.integers(0, 255, shape, dtype=np.uint8))
        lines.append(",".join((f"s{index}", *map(str, paths))))
    (root / "data.csv").write_text("\n".join(lines) + "\n")
    return root / "data.csv"


def _write_rows(root: Path, count: int) -> tuple[Path, Path]:
    """Write images and their CSV; return it, and one of which no file exists."""
    rng = np.random.default_rng(0)
    rows, absent = ["SubjectID,Channel_0"], ["SubjectID,Channel_0"]
    for index in range(count):
        path = root / "images" / f"{index // _PER_FOLDER:04d}" / f"{index:07d}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.integers(0, 255, (_SIZE, _SIZE), dtype=np.uint8))
        rows.append(f"s{index},{path}")
        absent.append(f"s{index},{root / 'nowhere' / path.relative_to(root)}")
    (root / "data.csv").write_text("\n".join(rows) + "\n")
    (root / "missing.csv").write_text("\n".join(absent) + "\n")
    return root / "data.csv", root / "missing.csv"


def cost_of(root: Path, *command: object, expect: int = 0) -> dict[str, float] | None:
    """Return what a command takes; None when it takes too long."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GANDLF_SYNTH_CACHE": str(root / "cache")}
    words = [str(word) for word in command]
    started = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() - started > _LONGEST:
                process.kill()
                return None
            time.sleep(0.05)
    if os.waitstatus_to_exitcode(ended[1]) != expect:
        raise RuntimeError(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(ended[1])}")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(ended[2].ru_utime + ended[2].ru_stime, 1),
        "peak_mib": round(ended[2].ru_maxrss / 2**10),
    }
