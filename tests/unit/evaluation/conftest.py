"""Sets of small pictures and volumes on the disk, and one call that evaluates them."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gandlf_synth.data.formats.scan import no_progress
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation

SIZE = 32


def scans(count: int, seed: int, bright: bool = False) -> np.ndarray:
    """Heads that differ in what is in them; one class has bright spots, the other dark ones; uint8 ``(n, rows, cols)``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    images = []
    for _ in range(count):
        head = (x**2 + y**2 < rng.uniform(0.7, 0.9)) * 0.5
        places = rng.uniform(-0.7, 0.7, (6, 2))
        sign = 0.4 if bright else -0.4
        spots = sum(sign * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.03) for a, b in places)
        images.append(head * (1 + spots) + rng.normal(0, 0.02, head.shape) * (head > 0))
    return (np.clip(images, 0, 1) * 255).astype(np.uint8)


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
