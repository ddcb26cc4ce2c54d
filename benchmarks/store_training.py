"""``python -m benchmarks.store_training [IMAGES [SIDE [EPOCHS [WORKERS]]]]``: steps a second from files and stores.

The same volumes of noise are read from a CSV (the cache, 32 bits), from a store (16 bits), and from a store behind a
server on the loopback, whose shards come in meanwhile. Counted are the steps after the first ones, by the clock.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.remote_stores import serve
from benchmarks.rows import PROGRAM, write_noise

_FIRST = 10
"""Steps that are not counted: they choose algorithms and fill what is read ahead."""
_CONFIG = """\
model_config:
  model_name: ddpm
  tensor_shape: {shape}
  architecture: {{num_channels: [16, 32], attention_levels: [false, false], num_res_blocks: 1, norm_num_groups: 8}}
  save_eval_images_every_n_epochs: -1
num_epochs: {epochs}
batch_size: 8
compute: {{accelerator: {accelerator}, precision: {precision}, cuda_graphs: false}}
dataloader_config: {{train: {{num_workers: {workers}}}}}
cache_size: 100GB
"""
_CLOCK = """\
import json, os, time
from lightning.pytorch import Callback, Trainer
begin, times = Trainer.fit, []
class Clock(Callback):
    def on_train_batch_end(self, *_):
        times.append(time.perf_counter())
    def on_train_end(self, *_):
        with open(os.environ["STEP_TIMES"], "w") as file:
            json.dump(times, file)
def fit(self, *words, **more):
    self.callbacks.append(Clock())
    return begin(self, *words, **more)
Trainer.fit = fit
"""


def measure_training(images: int = 256, side: int = 48, epochs: int = 6, workers: int = 1) -> Iterator[dict[str, Any]]:
    """Yield the steps a second of each way to read ``images`` volumes of so many voxels a side."""
    on_gpu = torch.cuda.is_available()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        table = write_noise(root, images, (side,) * 3)
        facts = {"accelerator": "cuda" if on_gpu else "cpu", "precision": "bf16-mixed" if on_gpu else "32-true"}
        text = _CONFIG.format(shape=[side] * 3, epochs=epochs, workers=workers, **facts)
        (root / "config.yaml").write_text(text)
        (root / "clock.py").write_text(_CLOCK)
        store = root / "store"
        command = [*PROGRAM, "prepare", "-c", root / "config.yaml", "-dt", table, "-o", store]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        setting = {"images": images, "shape": f"{side}×{side}×{side}", "workers": workers, "cores": _cores(), **facts}
        for name, data in (("files", table), ("store", store), ("files again", table), ("store again", store)):
            yield {**setting, "from": name, "steps_per_second": _speed(root, name, data)}
        with serve(store, 0) as url:
            yield {**setting, "from": "server", "steps_per_second": _speed(root, "server", url)}


def _speed(root: Path, name: str, data: Path | str) -> float:
    times = root / "times.json"
    words = ["train", "--plugin", root / "clock.py", "-c", root / "config.yaml", "-dt", data, "-m-dir", root / name]
    environment = {**os.environ, "STEP_TIMES": str(times), "GANDLF_SYNTH_CACHE": str(root / "cache")}
    subprocess.run([*PROGRAM, *map(str, words)], check=True, capture_output=True, env=environment)
    ends = json.loads(times.read_text())[_FIRST:]
    return round((len(ends) - 1) / (ends[-1] - ends[0]), 2)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    for line in measure_training(*map(int, sys.argv[1:])):
        print(json.dumps(line), flush=True)
