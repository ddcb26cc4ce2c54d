"""Planted flaws evaluated, and what the cards say of each."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.factories import verdict_of
from tests.reliability.planted.flaws import Flaw
from tests.reliability.planted.material import Material
from tests.reliability.planted.real_sets import Labeled, RealSet

from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.set_metric import registered_set_metrics
from gandlf_synth.progress import no_progress


@dataclass(frozen=True)
class Finding:
    """What an evaluation says of a flaw.

    Args:
        real_set: the set in which it was planted.
        flaw: its name.
        card: the outcome of the card that must turn.
        sentence: of that card.
        named: whether the card has turned and its first reason names the flaw.
    """

    real_set: str
    flaw: str
    card: str
    sentence: str
    named: bool


def save(folder: Path, name: str, content: Labeled) -> Path:
    """Write images as NumPy files, and their CSV."""
    (folder / name).mkdir(parents=True)
    classes = sorted(set(content.labels))
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Channel_0", "SubjectID", "Label", "LabelMapping"])
        for k, (image, label) in enumerate(zip(content.images, content.labels, strict=True)):
            np.save(folder / name / f"{k}.npy", image)
            writer.writerow([f"{name}/{k}.npy", f"{name}-{k}", classes.index(label), label])
    return path


def evaluate(
    folder: Path, parts: Sequence[Labeled], extractor: str = "random-conv", question: str | None = None
) -> Evaluation:
    """Return what an evaluation finds of real, synthetic and training images, for one card or for all."""
    real, synthetic, train = map(save, [folder] * 3, ("real", "synthetic", "train"), parts)
    request = EvaluationRequest(real, synthetic, folder / "out", train=train, extractor=extractor)
    metrics = [
        metric
        for metric in registered_set_metrics()
        if question is None or any(measure.question == question for measure in metric.measures)
    ]
    return run_evaluation(request, no_progress, metrics)


def in_memory(real: Labeled, synthetic: Labeled) -> ImageSets:
    """Return pictures as detectors take them, in the window of the real ones, without features."""
    values = np.concatenate([image.ravel() for image in real.images])
    low, high = (0, 255) if real.images[0].dtype == np.uint8 else np.percentile(values, [0.5, 99.5])

    def image_set(name: str, content: Labeled) -> ImageSetFeatures:
        planes = [np.atleast_3d(image).transpose(2, 0, 1)[None, None] for image in content.images]
        pixels = ((np.stack(planes) - low) / (high - low)).clip(0, 1).astype(np.float16)
        files = tuple(f"{name}/{k}.npy" for k in range(len(content)))
        empty = np.zeros((len(content), 1))
        return ImageSetFeatures(
            name, pixels, empty[:, None, None], empty, empty, empty, np.array(files), content.labels, files, files
        )

    return ImageSets(image_set("real", real), image_set("synthetic", synthetic))


def find(folder: Path, real_set: RealSet, flaw: Flaw, seed: int = 0, extractor: str = "random-conv") -> Finding:
    """Plant a flaw and return what the evaluation says."""
    real, other, train = real_set.split(seed)
    planted = flaw.plant(Material(other, train, np.random.default_rng(seed)))
    return judge(evaluate(folder, (real, planted, train), extractor, flaw.question), real_set, flaw)


def judge(evaluation: Evaluation, real_set: RealSet, flaw: Flaw) -> Finding:
    """Return whether the card has turned and its first reason names the flaw."""
    verdict = verdict_of(evaluation, flaw.question)
    reasons = [check.sentence for check in verdict.checks if check.sentence.lower() in verdict.sentence.lower()]
    first = min(reasons, key=lambda reason: verdict.sentence.lower().index(reason.lower()), default="")
    turned = verdict.outcome in ("look", "bad")
    named = turned and re.search(flaw.words, first, re.IGNORECASE) is not None
    return Finding(real_set.name, flaw.name, verdict.outcome, verdict.sentence, named)
