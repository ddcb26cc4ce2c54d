"""Sets of small pictures and volumes on the disk, and one call that evaluates them."""

import csv
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.factories import blob, heads, write_nifti

from gandlf_synth.api.evaluation import report
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation
from gandlf_synth.progress import no_progress

SIZE = 32


def write_set(
    root: Path, name: str, images: np.ndarray, labels: Sequence[str] | None = None, subject: str | None = None
) -> Path:
    """Write pictures and their CSV; return the CSV."""
    folder = root / name
    folder.mkdir()
    rows = []
    for k, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{k}.png")
        rows.append([f"{name}/{k}.png", subject or f"{name}-{k}"])
    path = root / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Channel_0", "SubjectID", *(["Label", "LabelMapping"] if labels is not None else [])])
        for row, label in zip(rows, labels if labels is not None else [None] * len(rows), strict=True):
            writer.writerow([*row, *([sorted(set(labels)).index(label), label] if labels is not None else [])])
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write pictures and their CSV; return the CSV."""
    return partial(write_set, tmp_path)


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluate with the seeded extractor, into ``tmp_path / "out"``."""

    def run(real: Path, synthetic: Path, **options: Any) -> Evaluation:
        options = {"output_dir": tmp_path / "out", "extractor": "random-conv", **options}
        return run_evaluation(EvaluationRequest(real, synthetic, **options), no_progress)

    return run


@pytest.fixture(scope="session")
def evaluated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an evaluation of pictures of two classes with training images, some of them copied; do not write to it."""
    root = tmp_path_factory.mktemp("evaluated")
    sets = {"real": heads(30, 0), "synthetic": heads(30, 1), "train": heads(40, 2)}
    sets["synthetic"][:3] = sets["train"][:3]
    labels = {name: ["a", "b"] * (len(images) // 2) for name, images in sets.items()}
    paths = {name: write_set(root, name, images, labels[name]) for name, images in sets.items()}
    request = EvaluationRequest(
        paths["real"], paths["synthetic"], root / "out", train=paths["train"], extractor="random-conv"
    )
    run_evaluation(request, no_progress)
    report(root / "out")
    return root / "out"


@pytest.fixture(scope="session")
def volumes_evaluated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an evaluation of volumes; do not write to it."""
    root = tmp_path_factory.mktemp("volumes")
    for k in range(12):
        write_nifti(root / ("real" if k % 2 else "synthetic") / f"{k}.nii.gz", blob((20, 24, 16), k))
    request = EvaluationRequest(root / "real", root / "synthetic", root / "out", extractor="random-conv", slices=4)
    run_evaluation(request, no_progress)
    report(root / "out")
    return root / "out"


@pytest.fixture
def flat(evaluated_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the evaluation of pictures."""
    return Path(shutil.copytree(evaluated_once, tmp_path / "out"))


@pytest.fixture
def volume(volumes_evaluated_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the evaluation of volumes."""
    return Path(shutil.copytree(volumes_evaluated_once, tmp_path / "volumes"))
