"""``python -m benchmarks.fine_tuning --data FOLDER``: what 30 patients gain from a model of 150 others.

A model of the middle planes of 150 hippocampi is trained; then 30 others train a model from random weights, from that
model, and by changes of low rank, each for the same number of steps, as does a model of all 180 from random weights.
KID is against 80 that no model saw.
"""

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.quality.datasets import ImageSet
from benchmarks.quality.scoring import Judge
from gandlf_synth import TrainingRequest, train
from gandlf_synth.config import Document, SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.sampling import batched, sample_batches

SHAPE = (32, 48)
PARENT, CHILD, HELD_OUT = 150, 30, 80
BATCH = 8
RATE = 2e-3
ARMS: dict[str, dict[str, Any] | None] = {
    "parent": None,
    "from scratch": {},
    "from scratch, of all": {},
    "full": {"init_from": "parent"},
    "full, whole rate": {"init_from": "parent", "optimizers": {"name": "adamw", "lr": RATE, "weight_decay": 0.01}},
    "lora, attention": {"init_from": "parent", "lora": {"rank": 8, "where": "attention"}},
    "lora, all": {"init_from": "parent", "lora": {"rank": 8, "where": "all"}},
}
"""What each arm adds to ``model_config``; the first is the model of the others, which is not trained on the 30, and one
is trained on the 150 and the 30 together."""
ALL = "from scratch, of all"


def main() -> None:
    """Train, sample and score every arm, and write a JSON."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        planes = middle_planes(options.data)
        tables = {
            "parent": _table(root, "parent", planes[:PARENT]),
            "child": _table(root, "child", planes[PARENT : PARENT + CHILD]),
            "all": _table(root, "all", planes[: PARENT + CHILD]),
        }
        real = torch.from_numpy(planes[PARENT + CHILD :][:HELD_OUT, None].astype(np.float32) / 127.5 - 1)
        held_out = ImageSet("hippocampus", real, real, None)
        judge, runs = Judge(torch.device("cpu")), []
        for arm, section in ARMS.items():
            runs.append({"arm": arm, **_run(root, arm, section, tables, options, judge, held_out)})
            print(json.dumps(runs[-1]), flush=True)
            write_json(options.output, {"setting": _setting(options), "runs": runs})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning")
    parser.add_argument("--data", type=Path, required=True, help="folder with SUBJECT/image.nii.gz")
    parser.add_argument("--parent-steps", type=int, default=1200)
    parser.add_argument("--steps", type=int, default=300, help="of every other arm")
    parser.add_argument("--images", type=int, default=100, help="that are sampled and scored")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/fine_tuning_cpu.json"))
    return parser


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    sets = {"parent": PARENT, "child": CHILD, "held_out": HELD_OUT}
    steps = {"parent_steps": options.parent_steps, "steps": options.steps, "batch": BATCH}
    return {"subjects": sets, "shape": SHAPE, **steps, "images": options.images, "cores": os.cpu_count()}


def middle_planes(folder: Path) -> np.ndarray[Any, Any]:
    """Return the middle axial plane of each volume, 8 bits between its 1st and 99th percentile, ``(n, *SHAPE)``."""
    planes = []
    for path in sorted(folder.glob("*/image.nii.gz")):
        volume = np.asarray(nib.load(path).dataobj, np.float32)
        low, high = np.percentile(volume, (1, 99))
        plane = np.clip((volume[..., volume.shape[2] // 2] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        planes.append(np.asarray(Image.fromarray(plane).resize(SHAPE[::-1], Image.Resampling.BILINEAR)))
    order = np.random.default_rng(0).permutation(len(planes))
    return np.stack(planes)[order]


def _table(root: Path, name: str, planes: np.ndarray[Any, Any]) -> Path:
    rows: list[list[object]] = [["SubjectID", "Channel_0"]]
    (root / name).mkdir()
    for number, plane in enumerate(planes):
        path = root / name / f"{number}.png"
        Image.fromarray(plane.T).save(path)
        rows.append([f"{name}_{number}", path])
    write_csv(root / f"{name}.csv", rows)
    return root / f"{name}.csv"


def _run(
    root: Path, arm: str, section: dict[str, Any] | None, tables: dict[str, Path], options: argparse.Namespace,
    judge: Judge, held_out: ImageSet,
) -> dict[str, Any]:  # fmt: skip
    is_parent = section is None
    data, count = ("parent", PARENT) if is_parent else ("all", PARENT + CHILD) if arm == ALL else ("child", CHILD)
    steps = options.parent_steps if is_parent else options.steps
    model: dict[str, Any] = {"model_name": "ddpm", "save_eval_images_every_n_epochs": -1, **(section or {})}
    if model.get("init_from"):
        model["init_from"] = str(root / "parent_model")
    else:
        model |= {"architecture": "XS", "optimizers": {"name": "adamw", "lr": RATE, "weight_decay": 0.01}}
    epochs = max(1, round(steps / -(-count // BATCH)))
    content = {"model_config": model, "num_epochs": epochs, "batch_size": BATCH, "compute": {"precision": "32"}}
    place = root / ("parent_model" if is_parent else arm.replace(",", "").replace(" ", "_"))
    began = time.process_time()
    result = train(TrainingRequest(Document("benchmark", content), tables[data], place))
    seconds = time.process_time() - began
    module = load_module(result.checkpoint)
    images = _sample(module, options.images)
    return {"cpu_seconds": round(seconds, 1), "steps": result.record.steps, **judge.score(images, held_out)}


def _sample(module: Any, count: int) -> Tensor:
    seeds = list(range(count))
    parts = list(sample_batches(module, batched(seeds, Condition(), 25), SamplingOptions()))
    return torch.cat(parts)


if __name__ == "__main__":
    main()
