"""``python -m benchmarks.evaluation [--images 1000 10000] [-o JSON]``: time and memory of ``evaluate``, step by step.

As many real, synthetic and training images of 64×64 are made up: smooth blobs with noise, one per subject, in two
classes. A process of its own evaluates each number of images, and its record grows with each step, so that what is
killed leaves the steps before.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from scipy import ndimage

_RESULTS = Path(__file__).parent / "results" / "evaluation.json"
_SIDE = 64
T = TypeVar("T")


def main() -> None:
    """Evaluate each number of images and write what each step took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation")
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    parser.add_argument("--extractor", default="random-conv")
    parser.add_argument("--alone", action="store_true", help="evaluate in this process (used by the command itself)")
    options = parser.parse_args()
    if options.alone:
        measure(options.images[0], options.extractor, options.output)
        return
    for count in options.images:
        command = [sys.executable, "-m", "benchmarks.evaluation", "--alone", "--images", str(count)]
        subprocess.run([*command, "--extractor", options.extractor, "-o", str(options.output)], check=True)


def measure(count: int, extractor: str, output: Path) -> None:
    """Evaluate ``count`` images and add what each step takes to ``output``."""
    import torch

    from gandlf_synth.evaluation.request import EvaluationRequest
    from gandlf_synth.evaluation.run import run_evaluation
    from gandlf_synth.launcher import peak_memory_mb

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    facts = {"device": device, "threads": torch.get_num_threads(), "cores": len(os.sched_getaffinity(0))}
    with TemporaryDirectory() as folder:
        os.environ["GANDLF_SYNTH_CACHE"] = f"{folder}/cache"
        sets = {name: make_set(Path(folder), name, count, seed) for seed, name in enumerate(("real", "new", "train"))}
        steps = Steps(lambda taken: _keep(output, str(count), {**facts, "steps": taken, "peak_mib": peak_memory_mb()}))
        started, cpu = time.monotonic(), time.process_time()
        request = EvaluationRequest(
            sets["real"], sets["new"], Path(folder, "out"), train=sets["train"], extractor=extractor
        )
        run_evaluation(request, steps)
        seconds = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - cpu}
        rounded = {name: round(value, 1) for name, value in seconds.items()}
        _keep(output, str(count), {**facts, **rounded, "steps": steps.rounded, "peak_mib": peak_memory_mb()})


class Steps:
    """Shows no progress, but notes what each step takes."""

    def __init__(self, keep: Any) -> None:
        self._keep = keep
        self.taken: dict[str, float] = {}

    def __call__(self, items: Iterable[T], total: int, description: str, /) -> Iterator[T]:
        """Give ``items``, and note how long each took to be worked on; metrics by name."""
        for item in items:
            started = time.monotonic()
            yield item
            name = type(item).__name__ if description == "Comparing" else description
            self.taken[name] = self.taken.get(name, 0.0) + time.monotonic() - started
            if description == "Comparing":
                self._keep(self.rounded)

    @property
    def rounded(self) -> dict[str, float]:
        """What each step took, in tenths of a second."""
        return {name: round(taken, 1) for name, taken in self.taken.items()}


def make_set(folder: Path, name: str, count: int, seed: int) -> Path:
    """Write ``count`` pictures and their CSV, one subject each."""
    (folder / name).mkdir()
    rng = np.random.default_rng(seed)
    rows = ["SubjectID,Channel_0,Label,LabelMapping"]
    for place in range(count):
        label = place % 2
        image = ndimage.gaussian_filter(rng.normal(size=(_SIDE, _SIDE)), 4 + 2 * label)
        image = 128 + 40 * image / image.std() + rng.normal(0, 4, image.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / name / f"{place}.png", compress_level=1)
        rows.append(f"{name}-{place},{name}/{place}.png,{label},{'fine' if label == 0 else 'coarse'}")
    path = folder / f"{name}.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def _keep(output: Path, name: str, record: dict[str, Any]) -> None:
    kept = json.loads(output.read_text()) if output.exists() else {}
    output.write_text(json.dumps({**kept, name: record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
