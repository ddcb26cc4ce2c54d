"""``python -m benchmarks.fine_tuning --data FOLDER``: what 30 patients gain from a model of 150 others.

A model of 150 hippocampi is trained; then 30 others train a model from random weights, from that model, and by changes
of low rank, each for the same number of steps, as does a model of all 180 from random weights. KID is against those
that no model saw. A seed draws who is who, and the weights; with a GPU everything runs there.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from scipy.ndimage import zoom

from benchmarks.quality.datasets import ImageSet
from benchmarks.quality.scoring import Judge
from gandlf_synth import TrainingRequest, train
from gandlf_synth.config import Document, SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.sampling import batched, sample_batches

Voxels = np.ndarray[Any, Any]

SHAPES = {2: (32, 48), 3: (24, 32, 24)}
PARENT, CHILD = 150, 30
BATCH = 8
RATE = 2e-3
NEW = {"architecture": "XS", "optimizers": {"name": "adamw", "lr": RATE, "weight_decay": 0.01}}
UNTUNED = "the model of the others"
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "full": ("child", {}),
    "from scratch, of all": ("all", NEW),
    "from scratch": ("child", NEW),
    "lora, all": ("child", {"lora": {"rank": 8, "where": "all"}}),
    "lora, attention": ("child", {"lora": {"rank": 8, "where": "attention"}}),
    "full, whole rate": ("child", {"optimizers": NEW["optimizers"]}),
}
"""Whose images each arm is trained on, and what it adds to ``model_config``; those without an architecture start from
the model of the others. "All" are the 150 and the 30 together."""


def main() -> None:
    """Train, sample and score every arm, and write a JSON after each."""
    options = _parser().parse_args()
    deadline = time.monotonic() + options.wall if options.wall else float("inf")
    blocks = [(dimensions, seed) for seed in options.seeds for dimensions in options.dimensions]
    queue: Any = multiprocessing.Queue()
    for block in [*blocks, *[None] * options.jobs]:
        queue.put(block)
    found: Any = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_work, args=(queue, found, options, deadline)) for _ in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    runs = []
    for _ in workers:
        while (run := found.get()) is not None:
            runs.append(run)
            print(json.dumps(run), flush=True)
            write_json(options.output, {"setting": _setting(options), "runs": runs})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning")
    parser.add_argument("--data", type=Path, required=True, help="folder with SUBJECT/image.nii.gz")
    parser.add_argument("--dimensions", type=int, nargs="+", choices=SHAPES, default=[2], help="middle planes, volumes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--parent-steps", type=int, default=1200)
    parser.add_argument("--steps", type=int, nargs="+", default=[300], help="budgets of every other arm")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--images", type=int, default=100, help="that are sampled and scored")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side, each with a seed of its own")
    parser.add_argument("--wall", type=float, help="seconds after which nothing begins that would take longer")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/fine_tuning_cpu.json"))
    return parser


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread"


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    steps = {"parent_steps": options.parent_steps, "batch": BATCH}
    shapes = [SHAPES[dimensions] for dimensions in options.dimensions]
    return {"parent": PARENT, "child": CHILD, "shapes": shapes, **steps, "images": options.images}


def _work(queue: Any, found: Any, options: argparse.Namespace, deadline: float) -> None:
    """Carry out blocks until the queue says None."""
    torch.set_num_threads(1)
    while (task := queue.get()) is not None:
        dimensions, seed = task
        with TemporaryDirectory() as folder:
            for run in Block(Path(folder), dimensions, seed, options, deadline).runs():
                found.put({"dimensions": dimensions, "seed": seed, **run, "device": _device()})
    found.put(None)


@dataclass
class Block:
    """All arms with one split and one seed.

    Args:
        root: a folder for everything.
        dimensions: 2 for middle planes, 3 for volumes.
        seed: draws who is who, and the weights.
        options: of the command line.
        deadline: of ``time.monotonic``; no arm begins that would not end before.
    """

    root: Path
    dimensions: int
    seed: int
    options: argparse.Namespace
    deadline: float
    _pace: dict[str, float] = field(default_factory=dict)

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield the figures of each arm as soon as they are known."""
        images = prepared_images(self.options.data, SHAPES[self.dimensions], self.seed)
        self._tables = {
            "parent": self._table("parent", images[:PARENT]),
            "child": self._table("child", images[PARENT : PARENT + CHILD]),
            "all": self._table("all", images[: PARENT + CHILD]),
        }
        held_out = torch.from_numpy(images[PARENT + CHILD :, None].astype(np.float32) / 127.5 - 1)
        self._real = ImageSet("hippocampus", held_out, held_out, None)
        self._judge = Judge(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        yield self._run(UNTUNED, self.options.parent_steps, "parent", NEW)
        for steps in self.options.steps:
            for arm in self.options.arms:
                if time.monotonic() + 1.2 * steps * self._pace.get(arm, 0) < self.deadline:
                    yield self._run(arm, steps, *ARMS[arm])

    def _run(self, arm: str, steps: int, data: str, section: dict[str, Any]) -> dict[str, Any]:
        start = {} if "architecture" in section else {"init_from": str(self.root / UNTUNED)}
        model = {"model_name": "ddpm", "save_eval_images_every_n_epochs": -1, **start, **section}
        subjects = {"parent": PARENT, "child": CHILD, "all": PARENT + CHILD}[data]
        epochs = max(1, round(steps / -(-subjects // BATCH)))
        content = {"model_config": model, "num_epochs": epochs, "batch_size": BATCH, "compute": {"precision": "32"},
                   "seed": 42 + self.seed}  # fmt: skip
        place = self.root / (arm if arm == UNTUNED else f"{arm} {steps}")
        began, spent = time.monotonic(), time.process_time()
        result = train(TrainingRequest(Document("benchmark", content), self._tables[data], place))
        trained, spent = time.monotonic(), time.process_time() - spent
        module = load_module(result.checkpoint).to(self._judge.device)
        seeds = list(range(self.options.images))
        together = 100 if torch.cuda.is_available() else 25
        samples = torch.cat(list(sample_batches(module, batched(seeds, Condition(), together), SamplingOptions())))
        scores = self._judge.score(samples, self._real)
        self._pace[arm] = (time.monotonic() - began) / steps
        seconds = {"seconds": round(trained - began, 1), "cpu_seconds": round(spent, 1)}
        return {"arm": arm, "steps": result.record.steps, **seconds, "held_out": len(self._real.test), **scores}

    def _table(self, name: str, images: Voxels) -> Path:
        rows: list[list[object]] = [["SubjectID", "Channel_0"]]
        (self.root / name).mkdir()
        for number, image in enumerate(images):
            path = self.root / name / (f"{number}.png" if image.ndim == 2 else f"{number}.nii.gz")
            if image.ndim == 2:
                Image.fromarray(image.T).save(path)
            else:
                nib.save(nib.Nifti1Image(image, np.eye(4)), path)
            rows.append([f"{name}_{number}", path])
        write_csv(self.root / f"{name}.csv", rows)
        return self.root / f"{name}.csv"


def prepared_images(folder: Path, shape: tuple[int, ...], seed: int) -> Voxels:
    """Return hippocampi in a drawn order, 8 bits between their 1st and 99th percentile, ``(n, *shape)``.

    Args:
        folder: of volumes.
        shape: what they are brought to; of two axes: the middle axial plane alone.
        seed: draws the order.
    """
    images = []
    for path in sorted(folder.glob("*/image.nii.gz")):
        volume = np.asarray(nib.load(path).dataobj, np.float32)
        low, high = np.percentile(volume, (1, 99))
        seen = volume if len(shape) == 3 else volume[..., volume.shape[2] // 2]
        sized = zoom(seen, [size / own for size, own in zip(shape, seen.shape, strict=True)], order=1)
        images.append(np.clip((sized - low) / (high - low) * 255, 0, 255).astype(np.uint8))
    return np.stack(images)[np.random.default_rng(seed).permutation(len(images))]


if __name__ == "__main__":
    main()
