"""Sets of small pictures and volumes on the disk, and one call that evaluates them."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation
from gandlf_synth.progress import no_progress

SIZE = 32


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write pictures and their CSV; return the CSV."""

    def write(name: str, images: np.ndarray, labels: Sequence[str] | None = None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rows = []
        for k, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{k}.png")
            rows.append([f"{name}/{k}.png", f"{name}-{k}"])
        path = tmp_path / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Channel_0", "SubjectID", *(["Label", "LabelMapping"] if labels is not None else [])])
            for row, label in zip(rows, labels if labels is not None else [None] * len(rows), strict=True):
                writer.writerow([*row, *([sorted(set(labels)).index(label), label] if labels is not None else [])])
        return path

    return write


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., Evaluation]:
    """Evaluate with the seeded extractor, into ``tmp_path / "out"``."""

    def run(real: Path, synthetic: Path, **options: Any) -> Evaluation:
        options = {"output_dir": tmp_path / "out", "extractor": "random-conv", **options}
        return run_evaluation(EvaluationRequest(real, synthetic, **options), no_progress)

    return run
