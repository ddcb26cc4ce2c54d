"""Usefulness counts from chance on, and labels that are exchanged or partly wrong are named."""

import numpy as np
import pytest

from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.results import Check
from gandlf_synth.metrics.set_metric import MeasureSettings
from gandlf_synth.metrics.train_synthetic_test_real import Accuracy, TrainSyntheticTestReal, usefulness

CLASSES = ("glioma", "meningioma", "none")


def image_set(name: str, classes: np.ndarray, labels: np.ndarray, *, far: float = 0, seed: int = 0) -> ImageSetFeatures:
    """Return a set whose features show ``classes``, ``far`` from where real images lie."""
    rng = np.random.default_rng(seed)
    centers = 3 * np.eye(8)[: len(CLASSES)]
    features = rng.normal(far, 1, size=(len(classes), 8)) + centers[classes]
    names = tuple(f"{name}_{place}" for place in range(len(classes)))
    empty = np.zeros((len(classes), 1))
    return ImageSetFeatures(
        name=name, pixels=np.zeros((len(classes), 1, 1, 1, 8, 8), np.float16), features=features[:, None, None],
        histograms=empty, spectra=empty, first_order=empty, subjects=np.array(names),
        labels=[CLASSES[label] for label in labels], files=names, content=names,
    )  # fmt: skip


def compared(labels: np.ndarray, classes: np.ndarray, far: float = 0) -> dict[str, Check]:
    """Return what is said of synthetic images of ``classes`` that are labelled ``labels``."""
    kinds = np.arange(240) % 3
    sets = ImageSets(
        image_set("real", kinds[:120], kinds[:120], seed=1), image_set("synthetic", classes, labels, far=far, seed=2),
        image_set("train", kinds, kinds, seed=3),
    )  # fmt: skip
    metric = TrainSyntheticTestReal(seeds=(0,))
    checks = metric.checks(metric.compute(sets, MeasureSettings()), default_thresholds())
    return {check.metric: check for check in checks}


CONTENT = np.arange(150) % 3


@pytest.mark.slow
def test_right_labels_are_good() -> None:
    found = compared(CONTENT, CONTENT)

    assert found["wrong_labels"].outcome == found["train_synthetic"].outcome == "good"


def test_exchanged_labels_are_named() -> None:
    found = compared(np.array([1, 0, 2])[CONTENT], CONTENT)

    check = found["wrong_labels"]
    assert check.outcome == "bad"
    assert "images labelled 'glioma' look like 'meningioma', images labelled 'meningioma' look like 'glioma'" in (
        check.sentence
    )
    assert "'none'" not in check.sentence


@pytest.mark.slow
def test_thirty_percent_of_wrong_labels_are_counted() -> None:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(150) < 0.3, (CONTENT + rng.integers(1, 3, 150)) % 3, CONTENT)

    check = compared(labels, CONTENT)["wrong_labels"]

    assert check.outcome == "bad"
    assert check.compared == pytest.approx(0.3, abs=0.1)
    assert check.low is not None
    assert check.high is not None
    assert check.low < (labels != CONTENT).mean() < check.high


@pytest.mark.slow
def test_images_unlike_real_ones_with_right_labels_are_not_called_mislabelled() -> None:
    assert compared(CONTENT, CONTENT, far=4)["wrong_labels"].outcome == "good"


@pytest.mark.slow
def test_labels_drawn_by_chance_are_of_no_use() -> None:
    found = compared(np.random.default_rng(0).integers(0, 3, 150), CONTENT)

    assert found["train_synthetic"].outcome == "bad"
    assert found["train_synthetic"].compared == pytest.approx(0, abs=0.35)
    assert found["wrong_labels"].outcome == "bad"


@pytest.mark.slow
def test_nothing_is_said_where_real_images_teach_nothing_either() -> None:
    kinds, rng = np.arange(120) % 3, np.random.default_rng(0)
    noise = [rng.integers(0, 3, 120) for _ in range(3)]
    sets = ImageSets(
        image_set("real", kinds, noise[0]), image_set("synthetic", kinds, noise[1]), image_set("train", kinds, noise[2])
    )
    metric = TrainSyntheticTestReal(seeds=(0,))

    checks = metric.checks(metric.compute(sets, MeasureSettings()), default_thresholds())

    assert {check.outcome for check in checks} == {"unknown"}
    assert "cannot be told apart" in checks[0].sentence


@pytest.mark.parametrize("right", [0.7, 0.95])
def test_intervals_of_accuracy_and_of_usefulness_hold_the_truth(right: float) -> None:
    rng = np.random.default_rng(0)
    true, subjects = np.tile(np.repeat([0, 1], 5), 8), [str(place // 5) for place in range(80)]
    covered, of_share, repeats = 0, 0, 400
    for _ in range(repeats):
        runs = [np.where(rng.random(80) < share, true, 1 - true) for share in (right, 0.97)]
        first, second = (Accuracy.of([run], true, subjects) for run in runs)
        found, share = first.estimate(), first.share_of(second, 0.5)
        covered += found.low <= right <= found.high
        of_share += share.low <= (right - 0.5) / 0.47 <= share.high

    assert 0.92 <= covered / repeats <= 0.99
    assert 0.92 <= of_share / repeats <= 0.99


def test_usefulness_is_nan_where_nothing_was_measured() -> None:
    metric = TrainSyntheticTestReal().compute(
        ImageSets(image_set("real", CONTENT, 0 * CONTENT), image_set("synthetic", CONTENT, CONTENT)), MeasureSettings()
    )

    assert np.isnan(usefulness(metric.metrics[0]).value)
