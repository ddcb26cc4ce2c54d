"""``python -m benchmarks.cohort_size``: what more subjects are worth, at equal training.

Chest radiographs of 30, 100, 300 and 1,000 children, and hippocampi of 30, 60, 120 and 160 adults (the middle plane of
each, or volumes), train the same network for the same number of steps, with the same commands as a user's. Each model
makes as many images, which are compared with those of held-out subjects and searched for among its own training images.
A run that ended early goes on in the same ``--work``; points that stand in the output are kept.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.quality.datasets import ImageSet, load_image_set
from gandlf_synth import EvaluationRequest, GenerationRequest, TrainingRequest, evaluate, generate, train
from gandlf_synth.config import Document
from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.metrics.results import Metric

_SHOWN = 8
_AS_RUN = "as_run.json"
_TOGETHER = 50
_PLANES = "_planes"
_KEYS = ("data", "seed", "subjects")


@dataclass(frozen=True)
class Cohort:
    """How one data set is divided and trained on.

    Args:
        counts: of subjects, one model each.
        held_out: subjects that the images are compared with, at most.
        images: that each model makes.
        steps: of each training.
        batch: images in a step.
        rows: of an epoch; subjects come again until there are as many, so that every training has the same epochs.
        format: of the files.
    """

    counts: tuple[int, ...]
    held_out: int
    images: int
    steps: int
    batch: int
    rows: int
    format: str


COHORTS = {
    "pneumonia": Cohort((30, 100, 300, 1000), 200, 200, steps=1000, batch=16, rows=1000, format="png"),
    "hippocampus_planes": Cohort((30, 60, 120, 160), 40, 60, steps=400, batch=8, rows=160, format="png"),
    "hippocampus": Cohort((30, 60, 120, 160), 40, 60, steps=500, batch=8, rows=160, format="nii.gz"),
}
MODEL = {
    "model_name": "ddpm",
    "architecture": "XS",
    "labeling_paradigm": "unlabeled",
    "optimizers": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01},
    "save_eval_images_every_n_epochs": -1,
}


def main() -> None:
    """Train and sample with each number of subjects, then evaluate, and write a JSON after each."""
    options = _parser().parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as temporary:
        root = options.work or Path(temporary)
        points = [
            _point(name, count, seed, root, options)
            for seed in options.seeds
            for name in options.data
            for count in options.subjects or COHORTS[name].counts
        ]
        for point in points:
            point.make_images()
        for point in [] if options.images_only else points:
            keep(options.output, point.measure())
        if options.picture:
            save_picture(options.picture, [point for point in points if point.seed == options.seeds[0]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cohort_size")
    parser.add_argument("--data", nargs="+", choices=COHORTS, default=list(COHORTS))
    parser.add_argument("--subjects", type=int, nargs="+", help="absent: four numbers for each data set")
    parser.add_argument("--steps", type=int, help="of each training; absent: each data set's own")
    parser.add_argument("--images", type=int, help="that each model makes; absent: each data set's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cache", type=Path, default=Path("quality"), help="where prepared images lie")
    parser.add_argument("--work", type=Path, help="where models, images and evaluations stay; absent: nowhere")
    parser.add_argument("--images-only", action="store_true", help="do not evaluate yet")
    parser.add_argument("--picture", type=Path, help="a folder for a sheet of each data set")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/cohort_size.json"))
    return parser


@dataclass
class Point:
    """A model of so many subjects.

    Args:
        name: of the data set.
        subjects: that the model is trained on.
        seed: of weights, noise and images.
        cohort: the division and the training.
        folder: for everything.
        images: of all subjects, those that are held out last.
    """

    name: str
    subjects: int
    seed: int
    cohort: Cohort
    folder: Path
    images: ImageSet

    @property
    def synthetic(self) -> Path:
        """The folder of synthetic images."""
        return self.folder / "model_inference_output"

    def make_images(self) -> None:
        """Train, and write synthetic images, unless an earlier run did."""
        if (self.folder / _AS_RUN).exists():
            return
        rows = self.rows("train", self.images.train, self.subjects)
        epochs = max(1, round(self.cohort.steps / -(-self.cohort.rows // self.cohort.batch)))
        model = {**MODEL, "tensor_shape": list(self.images.shape)}
        content = {"model_config": model, "num_epochs": epochs, "batch_size": self.cohort.batch, "seed": self.seed}
        repeated = write_table(self.folder / "epoch.csv", repeat(rows, self.cohort.rows, self.folder / "epoch"))
        began, spent = time.monotonic(), time.process_time()
        trained = train(TrainingRequest(Document("benchmark", content), repeated, self.folder / "model"))
        seconds, spent = time.monotonic() - began, time.process_time() - spent
        generate(
            GenerationRequest(
                trained.model_dir, self.folder, counts=self.cohort.images, batch_size=_TOGETHER, num_inference_steps=25
            )
        )
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread"
        facts = {"steps": trained.record.steps, "batch": self.cohort.batch, "seconds": round(seconds, 1)}
        write_json(self.folder / _AS_RUN, {**facts, "cpu_seconds": round(spent, 1), "device": device})
        print(self.name, self.subjects, self.seed, facts, flush=True)

    def measure(self) -> dict[str, Any]:
        """Return what the model cost, and the numbers of its evaluation."""
        held_out = write_table(
            self.folder / "held_out.csv", self.rows("held_out", self.images.test, self.cohort.held_out)
        )
        trained_on = write_table(self.folder / "train.csv", self.rows("train", self.images.train, self.subjects))
        request = EvaluationRequest(held_out, self.synthetic, self.folder / "evaluation", train=trained_on)
        found = evaluate(request, formats=()).evaluation
        return {
            "data": self.name,
            "subjects": self.subjects,
            "seed": self.seed,
            **json.loads((self.folder / _AS_RUN).read_text(encoding="utf-8")),
            "held_out": min(len(self.images.test), self.cohort.held_out),
            "images": self.cohort.images,
            "verdicts": {verdict.question: [verdict.outcome, verdict.sentence] for verdict in found.verdicts},
            "numbers": {each.name: _number(each) for each in found.metrics if each.value is not None},
        }

    def rows(self, part: str, images: Tensor, count: int) -> list[list[object]]:
        """Write the first images of an order that a seed decides, and return their rows."""
        folder = self.folder.parent / part
        folder.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(0).permutation(len(images))[:count]
        return [[f"{part}_{index}", write_image(folder, int(index), images[index, 0], self.cohort)] for index in order]


def _point(name: str, subjects: int, seed: int, root: Path, options: argparse.Namespace) -> Point:
    given = {key: value for key in ("steps", "images") if (value := getattr(options, key)) is not None}
    folder = root / name / f"{subjects}_{seed}"
    return Point(name, subjects, seed, replace(COHORTS[name], **given), folder, load_images(name, options.cache))


def load_images(name: str, cache: Path) -> ImageSet:
    """Return the images of a cohort; ``…_planes`` are the middle axial planes of volumes."""
    whole = load_image_set(name.removesuffix(_PLANES), cache)
    if not name.endswith(_PLANES):
        return whole
    middle = whole.shape[-1] // 2
    return ImageSet(name, whole.train[..., middle], whole.test[..., middle], None)


def keep(output: Path, point: dict[str, Any]) -> None:
    """Put a point into the JSON, in the place of an earlier one of the same model."""
    print(json.dumps(point), flush=True)
    stands = json.loads(output.read_text(encoding="utf-8"))["points"] if output.exists() else []
    others = [each for each in stands if any(each[key] != point[key] for key in _KEYS)]
    ordered = sorted([*others, point], key=lambda each: [each[key] for key in _KEYS])
    write_json(output, {"setting": {"model": MODEL}, "points": ordered})


def write_image(folder: Path, number: int, image: Tensor, cohort: Cohort) -> Path:
    """Write an image in [-1, 1] with 8 bits, unless it is there, and return its file."""
    file = folder / f"{number}.{cohort.format}"
    if not file.exists():
        pixels = ((image + 1) * 127.5).round().to(torch.uint8).numpy()
        if pixels.ndim == 2:
            Image.fromarray(pixels.T).save(file)
        else:
            nib.save(nib.Nifti1Image(pixels, np.diag([1.5, 1.5, 1.5, 1])), file)
    return file


def write_table(place: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Write a CSV of subjects and images, and return its path."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_csv(place, [["SubjectID", "Channel_0"], *rows])
    return place


def repeat(rows: Sequence[Sequence[object]], count: int, folder: Path) -> list[list[object]]:
    """Return so many rows, of further names of the same files: a CSV may list an image once."""
    folder.mkdir(parents=True, exist_ok=True)
    repeated = []
    for number, (subject, file) in enumerate(islice(cycle(rows), count)):
        name = folder / f"{number}_{Path(str(file)).name}"
        if not name.exists():
            os.link(str(file), name)
        repeated.append([subject, name])
    return repeated


def save_picture(folder: Path, points: Sequence[Point]) -> None:
    """Write a sheet for each data set: real images, and synthetic ones for each number of subjects."""
    for name in {point.name for point in points}:
        mine = sorted((point for point in points if point.name == name), key=lambda point: point.subjects)
        held_out = [Path(str(row[1])) for row in mine[0].rows("held_out", mine[0].images.test, _SHOWN)]
        rows = [SheetRow("real", [_plane(file) for file in held_out])]
        for point in mine:
            files = [point.synthetic / f"generated_image_{index}.nii.gz" for index in range(_SHOWN)]
            rows.append(SheetRow(f"{point.subjects} subjects", [_plane(file) for file in files]))
        save_png(contact_sheet(rows, tile=64), folder / f"cohort_size_{name}.png", synthetic=True)


def _plane(file: Path) -> np.ndarray[Any, Any]:
    """Return the picture, or the middle axial plane of a volume."""
    if file.suffix == ".png":
        return np.asarray(Image.open(file))
    voxels = np.asarray(nib.load(file).dataobj).squeeze()
    return voxels.T if voxels.ndim == 2 else voxels[..., voxels.shape[2] // 2].T[::-1]


def _number(metric: Metric) -> dict[str, Any]:
    parts = {"value": metric.value, "real against real": metric.floor}
    return {name: [part.value, part.low, part.high] for name, part in parts.items() if part is not None}


if __name__ == "__main__":
    main()
