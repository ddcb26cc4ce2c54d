"""``python -m benchmarks.startup [-o JSON]``: how long users wait at first, and two processes against one.

Medians over fresh processes: ``--help``, a configuration error, the first training step of a ddpm 64×64. Then samples a
second of two processes of one thread (DistributedDataParallel over gloo) against one process of two threads.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

_RESULTS = Path(__file__).parent / "results" / "startup_cpu.json"
_PROGRAM = (sys.executable, "-m", "gandlf_synth")
_IMAGES = 192
_WRONG = "model_config: {model_name: ddpm, optimizers: {name: adam, lr: fast}}\nnum_epochs: 1\n"
_RIGHT = """\
model_config: {{model_name: ddpm, tensor_shape: [64, 64], save_eval_images_every_n_epochs: -1}}
num_epochs: {epochs}
batch_size: {batch}
compute: {{accelerator: cpu}}
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        result = _everything(Path(folder), options.repeats)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def _everything(root: Path, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    rows = ["SubjectID,Channel_0"]
    for index in range(_IMAGES):
        path = root / f"{index:03d}.png"
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
        rows.append(f"s{index},{path}")
    (root / "data.csv").write_text("\n".join(rows) + "\n")
    (root / "wrong.yaml").write_text(_WRONG)
    (root / "first.yaml").write_text(_RIGHT.format(epochs=1, batch=16))
    wrong = ("train", "-c", root / "wrong.yaml", "-dt", root / "data.csv", "-m-dir", root / "never")
    return {
        "cores": os.cpu_count(),
        "repeats": repeats,
        "help_seconds": _median([_seconds(*_PROGRAM, "--help") for _ in range(repeats)]),
        "configuration_error_seconds": _median([_seconds(*_PROGRAM, *wrong, expect=2) for _ in range(repeats)]),
        "first_step_seconds": _median([_first_step(root, number) for number in range(repeats)]),
        "two_processes_over_one": _two_over_one(root),
    }


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def _seconds(*command: object, expect: int = 0, threads: int = 2) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = time.monotonic()
    done = subprocess.run([str(word) for word in command], capture_output=True, env=environment, check=False)
    if done.returncode != expect:
        raise RuntimeError(done.stderr.decode()[-2000:])
    return time.monotonic() - started


def _first_step(root: Path, number: int) -> float:
    """Return the time from the start of the process to the end of its first step, noted by a plugin's callback."""
    plugin = root / "clock.py"
    plugin.write_text(
        "import os, time\n"
        "from lightning.pytorch import Callback, Trainer\n"
        "begin = Trainer.fit\n"
        "class Clock(Callback):\n"
        "    def on_train_batch_end(self, *_):\n"
        f"        open({str(root / 'clock')!r}, 'w').write(str(time.time()))\n"
        "        os._exit(0)\n"
        "def fit(self, *words, **more):\n"
        "    self.callbacks.append(Clock())\n"
        "    return begin(self, *words, **more)\n"
        "Trainer.fit = fit\n"
    )
    words = ("train", "--plugin", plugin, "-c", root / "first.yaml", "-dt", root / "data.csv")
    started = time.time()
    _seconds(*_PROGRAM, *words, "-m-dir", root / f"first_{number}")
    return float((root / "clock").read_text()) - started


def _two_over_one(root: Path) -> dict[str, float]:
    """Return samples a second, from the run records, which leave out start-up."""
    run = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    launcher = (*run, "-m", "gandlf_synth")
    rates = {}
    for name, program, batch, threads in (("one", _PROGRAM, 16, 2), ("two", launcher, 8, 1)):
        (root / f"{name}.yaml").write_text(_RIGHT.format(epochs=2, batch=batch))
        words = ("train", "-c", root / f"{name}.yaml", "-dt", root / "data.csv", "-m-dir", root / name)
        _seconds(*program, *words, threads=threads)
        record = json.loads((root / name / "run.json").read_text())
        rates[name] = 2 * _IMAGES / record["seconds"]
    return {"one_process": rates["one"], "two_processes": rates["two"], "ratio": rates["two"] / rates["one"]}


if __name__ == "__main__":
    main()
