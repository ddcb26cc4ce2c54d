"""``python -m benchmarks.cohort_size --data FOLDER``: what more subjects are worth, at equal training.

Chest radiographs of 30, 100, 300 and 1,000 children train the same network for the same number of steps, with the same
commands as a user's. Each model makes the same number of images, which are compared with held-out radiographs and
searched for among its own training images.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image

from benchmarks.data import SHARED
from gandlf_synth import EvaluationRequest, GenerationRequest, TrainingRequest, evaluate, generate, train
from gandlf_synth.config import Document
from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.metrics.results import Metric

_SHOWN = 8
COUNTS = (30, 100, 300, 1000)
BATCH = 8
MODEL = {
    "model_name": "ddpm",
    "architecture": "XS",
    "tensor_shape": [32, 32],
    "labeling_paradigm": "unlabeled",
    "optimizers": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01},
    "save_eval_images_every_n_epochs": -1,
}


@dataclass(frozen=True)
class Setting:
    """What all cohorts have in common.

    Args:
        steps: of each training.
        images: that are made and judged.
        held_out: CSV of the radiographs that they are compared with.
        seed: of training and images.
    """

    steps: int
    images: int
    held_out: Path
    seed: int


def main() -> None:
    """Train, sample and evaluate with each number of subjects, and write a JSON after each."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        root = options.work or Path(temporary)
        held_out = _table(root / "held_out.csv", radiographs(options.data / "test")[: options.held_out])
        setting = Setting(options.steps, options.images, held_out, options.seed)
        described = {name: getattr(options, name) for name in ("steps", "images", "held_out", "seed")}
        result: dict[str, Any] = {
            "setting": {**described, "batch": BATCH, "model": MODEL, "cores": os.cpu_count(), "threads": 1},
            "cohorts": [],
        }
        files = radiographs(options.data / "train")
        for count in options.subjects:
            result["cohorts"].append(measure(root / str(count), files[:count], setting))
            print(json.dumps(result["cohorts"][-1]), flush=True)
            write_json(options.output, result)
        if options.picture:
            folders = {count: root / str(count) / "model" / "model_inference_output" for count in options.subjects}
            save_picture(options.picture, options.data / "test", folders)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cohort_size")
    parser.add_argument("--data", type=Path, default=SHARED / "pneumonia_xray_2d", help="folder with train/ and test/")
    parser.add_argument("--subjects", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where models, images and evaluations stay; absent: nowhere")
    parser.add_argument("--picture", type=Path, help="a PNG with radiographs of every model")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/cohort_size_cpu.json"))
    return parser


def radiographs(folder: Path) -> list[Path]:
    """Return all radiographs of a folder, in an order that a seed decides; one of each subject."""
    files = sorted(folder.glob("*/*/image.png"))
    order = np.random.default_rng(0).permutation(len(files))
    return [files[index] for index in order]


def measure(folder: Path, files: Sequence[Path], setting: Setting) -> dict[str, Any]:
    """Return what a model of ``files`` costs, and the numbers of its evaluation."""
    folder.mkdir(parents=True)
    table = _table(folder / "train.csv", files)
    epochs = max(1, round(setting.steps / -(-len(files) // BATCH)))
    content = {"model_config": MODEL, "num_epochs": epochs, "batch_size": BATCH, "seed": setting.seed}
    began = time.process_time()
    trained = train(TrainingRequest(Document("benchmark", content), table, folder / "model"))
    ended = time.process_time()
    images = generate(GenerationRequest(trained.model_dir, counts=setting.images, num_inference_steps=25))
    request = EvaluationRequest(setting.held_out, images.folder, folder / "evaluation", train=table)
    found = evaluate(request, formats=()).evaluation
    return {
        "subjects": len(files),
        "steps": trained.record.steps,
        "cpu_seconds": round(ended - began, 1),
        "verdicts": {verdict.question: [verdict.outcome, verdict.sentence] for verdict in found.verdicts},
        "numbers": {each.name: _number(each) for each in found.metrics if each.value is not None},
    }


def save_picture(path: Path, held_out: Path, folders: Mapping[int, Path]) -> None:
    """Write a row of real radiographs, and one of synthetic ones for each number of subjects."""
    rows = [SheetRow("real", [_pixels(file) for file in radiographs(held_out)[:_SHOWN]])]
    for count, folder in sorted(folders.items()):
        files = sorted(folder.glob("generated_image_*.nii.gz"), key=lambda file: int(file.name.split("_")[2][:-7]))
        rows.append(SheetRow(f"{count} subjects", [_pixels(file) for file in files[:_SHOWN]]))
    save_png(contact_sheet(rows, tile=64), path, synthetic=True)


def _pixels(file: Path) -> np.ndarray[Any, Any]:
    if file.suffix == ".png":
        return np.asarray(Image.open(file))
    return np.asarray(nib.load(file).dataobj).reshape(32, 32).T[2:-2, 2:-2]


def _number(metric: Metric) -> dict[str, Any]:
    parts = {"value": metric.value, "real against real": metric.floor}
    return {name: [part.value, part.low, part.high] for name, part in parts.items() if part is not None}


def _table(place: Path, files: Sequence[Path]) -> Path:
    write_csv(place, [["SubjectID", "Channel_0"], *([file.parent.name, file] for file in files)])
    return place


if __name__ == "__main__":
    main()
