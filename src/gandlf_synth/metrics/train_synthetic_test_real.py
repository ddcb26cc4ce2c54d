"""Does a classifier learn from synthetic images? Train on synthetic, test on real (Esteban et al. 2017)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, bootstrap, halves
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, over_floor

Labels = Indices

CLASSIFIER = "one hidden layer of 64 units on the extractor's features, dropout 0.5, AdamW, 150 full-batch steps"
"""Fixed, so that numbers of different papers can be compared."""
_HIDDEN = 64
_STEPS = 150


def predict_classes(features: Floats, labels: Labels, test: Floats, num_classes: int, seed: int) -> Labels:
    """Return the classes that a classifier trained on ``features`` gives to ``test``, ``(len(test),)``.

    Args:
        features: ``(n, dimension)``, standardized by their own mean and deviation.
        labels: ``(n,)``, in [0, num_classes); every class weighs the same, however many images it has.
        test: ``(m, dimension)``.
        num_classes: of the task, whether or not all are in ``labels``.
        seed: of weights and dropout.

    >>> labels = np.repeat([0, 1], 50)
    >>> features = np.random.default_rng(0).normal(size=(100, 8)) + 3 * labels[:, None]
    >>> balanced_accuracy(predict_classes(features[::2], labels[::2], features[1::2], 2, seed=0), labels[1::2]) > 0.9
    True
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0)
    inputs, tests = (torch.from_numpy(((part - mean) / scale).astype(np.float32)) for part in (features, test))
    targets = torch.from_numpy(labels)
    counts = torch.bincount(targets, minlength=num_classes).clamp(min=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(inputs.shape[1], _HIDDEN), nn.ReLU(), nn.Dropout(0.5), nn.Linear(_HIDDEN, num_classes)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
        loss = nn.CrossEntropyLoss(weight=counts.sum() / (num_classes * counts))
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss(network(inputs), targets).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        classes: Labels = network(tests).argmax(dim=1).numpy()
    return classes


def balanced_accuracy(predicted: Labels, true: Labels) -> float:
    """Return the mean over classes of the share of their images that were recognized.

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    0.75
    """
    return float(np.mean([(predicted[true == label] == label).mean() for label in np.unique(true)]))


def mean_balanced_accuracy(runs: Sequence[Labels], true: Labels) -> float:
    """Return the mean balanced accuracy of several classifiers on the same images."""
    return float(np.mean([balanced_accuracy(predicted, true) for predicted in runs]))


@dataclass(frozen=True)
class _Task:
    """Who learns from what, and is tested on what; classes as numbers.

    Args:
        training: features and classes by name: ``real``, ``synthetic`` and ``both``.
        test: features of real images.
        truth: their classes.
        subjects: of the images to test on.
        num_classes: in the real images to test on.
    """

    training: Mapping[str, tuple[Floats, Labels]]
    test: Floats
    truth: Labels
    subjects: list[str]
    num_classes: int


class TrainSyntheticTestReal(SetMetric):
    """Accuracy on real images of classifiers trained on synthetic images, on real ones, and on both."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the classifiers that are averaged."""
    fewest: int = 10
    """Real images to test on below which an accuracy means nothing."""

    position: ClassVar[int] = 120
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "train_synthetic", "Trained on synthetic, tested on real", "useful", "higher",
            criterion=Criterion(
                "usefulness",
                "Balanced accuracy of a classifier trained on synthetic images, over that of one trained on real ones.",
                0.9, 0.7, over_floor, "a classifier trained on them works on real images",
                "a classifier trained on them does worse on real images",
            ),
        ),
        Measure("augmentation_gain", "Gain from adding synthetic to real", "useful", "higher"),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the accuracy of classifiers trained on synthetic images, and what these add to real ones.

        Real images to train on are those of ``train``; without it, a half of ``real`` by subject.
        """
        reason = _missing_labels(sets)
        if reason:
            return self._refused(sets, reason)
        learning, test = _split(sets, settings.seed)
        if len(test) < self.fewest:
            return self._refused(sets, "too few real images to test on")
        task = _task(sets, learning, test)
        runs = {
            name: [predict_classes(*examples, task.test, task.num_classes, seed) for seed in self.seeds]
            for name, examples in task.training.items()
        }

        def accuracy(name: str, chosen: Indices) -> float:
            return mean_balanced_accuracy([run[chosen] for run in runs[name]], task.truth[chosen])

        def estimate(statistic: Callable[[Indices], float]) -> Estimate:
            method = "bootstrap by subject of the test images"
            return bootstrap(statistic, [task.subjects], seed=settings.seed, method=method)

        note = (
            f"balanced accuracy, {task.num_classes} classes, mean of {len(self.seeds)} seeds; classifier: {CLASSIFIER}"
        )
        on_real = estimate(lambda chosen: accuracy("real", chosen))
        on_synthetic = estimate(lambda chosen: accuracy("synthetic", chosen))
        gain = estimate(lambda chosen: accuracy("both", chosen) - accuracy("real", chosen))
        floor_note = f"{note}; real against real: trained on {len(task.training['real'][1])} real images"
        extractor = settings.extractor
        metrics = [
            self.metric("train_synthetic", sets, on_synthetic, on_real, extractor=extractor, note=floor_note),
            self.metric("augmentation_gain", sets, gain, Estimate(0, 0, 0), extractor=extractor, note=note),
        ]
        counts = {
            "num_real": len(test), "num_synthetic": len(task.training["synthetic"][1]),
            "num_subjects": len(set(task.subjects)),
        }  # fmt: skip
        return Measurement([metric.model_copy(update=counts) for metric in metrics])

    def _refused(self, sets: ImageSets, reason: str) -> Measurement:
        counts = {"num_real": 0, "num_synthetic": 0, "num_subjects": 0}
        return Measurement([self.metric("train_synthetic", sets, refused=reason).model_copy(update=counts)])


def _split(sets: ImageSets, seed: int) -> tuple[Indices | None, Indices]:
    """Return the images of ``real`` to learn from (None: all of ``train`` instead) and to test on."""
    if sets.train is not None:
        return None, sets.held_out
    return halves(sets.real.subjects, np.random.default_rng(seed))


def _task(sets: ImageSets, learning: Indices | None, test: Indices) -> _Task:
    real_labels = np.array(sets.real.labels)
    source = sets.reference
    rows: Indices = np.arange(len(source)) if learning is None else learning
    names = sorted(set(real_labels[test]))
    codes = {name: k for k, name in enumerate(names)}
    real = _coded(source.embedding[rows], np.array(source.labels)[rows], codes)
    synthetic = _coded(sets.synthetic.embedding, np.array(sets.synthetic.labels), codes)
    both = np.concatenate([real[0], synthetic[0]]), np.concatenate([real[1], synthetic[1]])
    truth = np.array([codes[label] for label in real_labels[test]], dtype=np.int64)
    training = {"real": real, "synthetic": synthetic, "both": both}
    return _Task(training, sets.real.embedding[test], truth, list(sets.real.subjects[test]), len(names))


def _coded(features: Floats, labels: NDArray[np.str_], codes: Mapping[str, int]) -> tuple[Floats, Labels]:
    """Return the images whose class is in ``codes``, and the number of the class of each."""
    known = np.array([label in codes for label in labels])
    return features[known], np.array([codes[label] for label in labels[known]], dtype=np.int64)


def _missing_labels(sets: ImageSets) -> str:
    """Return why the labels allow no classifier, or an empty string."""
    for images in (sets.real, sets.synthetic, *([sets.train] if sets.train else [])):
        if images.labels is None:
            return f"the {images.name} images have no labels; a CSV with Label and LabelMapping gives them"
    names = set(sets.real.labels or ())
    if len(names) < 2:
        return "the real images are all of one class"
    if not names & set(sets.synthetic.labels or ()):
        return "real and synthetic images share no class name"
    return ""
