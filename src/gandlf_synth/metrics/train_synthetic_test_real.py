"""Does a classifier learn from synthetic images? Train on synthetic, test on real (Esteban et al. 2017)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, halves, members
from gandlf_synth.metrics.label_errors import find_exchanged, share_of_wrong_labels
from gandlf_synth.metrics.results import Check, Measurement, Metric
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Limits, Measure, MeasureSettings, SetMetric, itself

Labels = Indices

CLASSIFIER = "one hidden layer of 64 units on the extractor's features, dropout 0.5, AdamW, 150 full-batch steps"
"""Fixed, so that numbers of different papers can be compared."""
_EVENLY = "; labels that are wrong one way only, such as half of one class under the name of another, count too low"
"""What the share of wrong labels does not tell: it is counted as if they were drawn evenly from the other classes."""
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


@dataclass(frozen=True)
class Accuracy:
    """The mean balanced accuracy of several classifiers on the same images.

    Args:
        value: the accuracy.
        influences: what each subject adds to it, ``(subjects,)``; their sum of squares is its variance.
        least_variance: what the variance is at least, where nearly all images, or none, are recognized.
    """

    value: float
    influences: Floats
    least_variance: float

    @classmethod
    def of(cls, runs: Sequence[Labels], true: Labels, subjects: Sequence[str]) -> "Accuracy":
        """Return the accuracy of ``runs``, the classes that each classifier gave to the images."""
        right = np.mean([predicted == true for predicted in runs], axis=0)
        classes, codes, counts = np.unique(true, return_inverse=True, return_counts=True)
        shares = np.bincount(codes, right) / counts
        influences = (right - shares[codes]) / counts[codes] / len(classes)
        smooth = (shares * counts + 2) / (counts + 4)
        least = float((smooth * (1 - smooth) / (counts + 4)).sum() / len(classes) ** 2)
        return cls(float(shares.mean()), np.array([influences[part].sum() for part in members(subjects)]), least)

    def estimate(self) -> Estimate:
        """Return the accuracy with its interval over subjects."""
        return _estimate(self.value, self.influences, self.least_variance).within(0, 1)

    def gain_of(self, other: "Accuracy") -> Estimate:
        """Return how much more accurate ``other`` is on the same images."""
        return _estimate(other.value - self.value, other.influences - self.influences, 0.0)

    def share_of(self, other: "Accuracy", chance: float) -> Estimate:
        """Return this accuracy beyond chance over that of ``other`` on the same images."""
        beyond = max(other.value - chance, 1e-6)
        share = (self.value - chance) / beyond
        influences = (self.influences - share * other.influences) / beyond
        return _estimate(share, influences, self.least_variance / beyond**2)


def _estimate(value: float, influences: Floats, least_variance: float) -> Estimate:
    from scipy.stats import t

    count = len(influences)
    variance = max(float((influences**2).sum()) * count / max(count - 1, 1), least_variance)
    spread = float(t.ppf(0.975, max(count - 1, 1)) * np.sqrt(variance))
    return Estimate(value, value - spread, value + spread, "variance over subjects of the test images")


def usefulness(metric: Metric) -> Estimate:
    """Return the accuracy beyond chance over that of a classifier trained on real images; nan without them."""
    if not metric.value or not metric.floor:
        return Estimate(float("nan"), float("nan"), float("nan"))
    chance = metric.details["chance"]
    share = (metric.value.value - chance) / max(metric.floor.value - chance, 1e-6)
    return Estimate(share, share - metric.details["share_below"], share + metric.details["share_above"])


@dataclass(frozen=True)
class _Task:
    """Who learns from what, and is tested on what; classes as numbers.

    Args:
        training: features and classes by name: ``real``, ``synthetic`` and ``both``.
        test: features of real images.
        truth: their classes.
        subjects: of the images to test on.
        names: of the classes of the real images to test on.
        synthetic_subjects: of the synthetic images in ``training``.
    """

    training: Mapping[str, tuple[Floats, Labels]]
    test: Floats
    truth: Labels
    subjects: list[str]
    names: Sequence[str]
    synthetic_subjects: list[str]

    @property
    def num_classes(self) -> int:
        """The number of classes in the real images to test on."""
        return len(self.names)


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
                "Balanced accuracy beyond chance of a classifier trained on synthetic images, over that for real ones.",
                0.9, 0.7, usefulness, "a classifier trained on them works on real images",
                "a classifier trained on them does worse on real images", FEWEST,
            ),
        ),
        Measure(
            "wrong_labels", "Wrong labels", "useful", "lower", "share",
            Criterion(
                "wrong_labels", "Share of synthetic images whose label is not that of their content.", 0.1, 0.2, itself,
                "labels agree with the images, as classifiers see it", "labels are not those of the images", FEWEST,
            ),
        ),
        Measure("augmentation_gain", "Accuracy gained by adding them to real images", "useful", "higher"),
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

        accuracies = {name: Accuracy.of(run, task.truth, task.subjects) for name, run in runs.items()}
        chance = 1 / task.num_classes
        share = accuracies["synthetic"].share_of(accuracies["real"], chance)
        note = (
            f"balanced accuracy, {task.num_classes} classes, mean of {len(self.seeds)} seeds; classifier: {CLASSIFIER}"
        )
        on_real, on_synthetic = (accuracies[name].estimate() for name in ("real", "synthetic"))
        gain = accuracies["real"].gain_of(accuracies["both"])
        details = {
            "chance": chance, "usefulness": share.value,
            "share_below": share.value - share.low, "share_above": share.high - share.value,
        }  # fmt: skip
        floor_note = f"{note}; real against real: trained on {len(task.training['real'][1])} real images"
        extractor = settings.extractor
        metrics = [
            self.metric(
                "train_synthetic", sets, on_synthetic, on_real, extractor=extractor, note=floor_note, details=details
            ),
            self._wrong_labels(sets, task, on_real, extractor),
            self.metric("augmentation_gain", sets, gain, Estimate(0, 0, 0), extractor=extractor, note=note),
        ]
        counts = {
            "num_real": len(test), "num_synthetic": len(task.training["synthetic"][1]),
            "num_subjects": len(set(task.subjects)),
        }  # fmt: skip
        return Measurement([metric.model_copy(update=counts) for metric in metrics])

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the checks; unknown where a classifier trained on real images does no better than chance."""
        checks = super().checks(measurement, thresholds)
        metric = measurement.metrics[0]
        if metric.floor is None or metric.floor.low > metric.details["chance"]:
            return checks
        sentence = (
            f"a classifier trained on real images recognizes {metric.floor.value:.0%} of the images, chance "
            f"{metric.details['chance']:.0%}: with these features, or so few images, the classes cannot be told apart"
        )
        return [
            Limits(check.good, check.bad, higher=check.metric == "train_synthetic").check(
                check.metric, "unknown", sentence, suffices=2 * max(metric.num_subjects, FEWEST)
            )
            for check in checks
        ]

    def detail(self, metric: Metric) -> str:
        """Return how far labels are wrong, or how much of the usefulness is left."""
        if metric.name == "wrong_labels":
            return f": {metric.note.removesuffix(_EVENLY)}"
        share = usefulness(metric)
        return f": {share.value:.0%} ({share.low:.0%} to {share.high:.0%}) of what real images teach beyond chance"

    def _wrong_labels(self, sets: ImageSets, task: _Task, on_real: Estimate, extractor: str) -> Metric:
        """Return the share of wrong labels, as classifiers see it that learned from real and from synthetic images."""
        features, labels = task.training["synthetic"]
        across = [predict_classes(*task.training["real"], features, task.num_classes, seed) for seed in self.seeds]
        within = [_predict_others(features, labels, task, seed) for seed in self.seeds]
        shares = [
            share_of_wrong_labels(
                Accuracy.of(runs, labels, task.synthetic_subjects).estimate(), on_real, task.num_classes
            )
            for runs in (across, within)
        ]
        exchanged = find_exchanged(across, labels, task.names)
        value = shares[0] if exchanged else min(shares, key=lambda share: share.value)
        note = f"about {value.value:.0%} ({value.low:.0%} to {value.high:.0%}) of the labels are wrong{_EVENLY}"
        if exchanged:
            looks = ", ".join(f"images labelled {label!r} look like {other!r}" for label, other in exchanged.items())
            note = f"{looks}: the labels are exchanged"
        details = {"exchanged_classes": float(len(exchanged))}
        floor = Estimate(0, 0, 0)
        return self.metric("wrong_labels", sets, value, floor, extractor=extractor, note=note, details=details)

    def _refused(self, sets: ImageSets, reason: str) -> Measurement:
        counts = {"num_real": 0, "num_synthetic": 0, "num_subjects": 0}
        return Measurement([self.metric("train_synthetic", sets, refused=reason).model_copy(update=counts)])


def _split(sets: ImageSets, seed: int) -> tuple[Indices | None, Indices]:
    """Return the images of ``real`` to learn from (None: all of ``train`` instead) and to test on."""
    if sets.train is not None:
        return None, sets.held_out
    return halves(sets.real.subjects, np.random.default_rng(seed))


def _predict_others(features: Floats, labels: Labels, task: _Task, seed: int) -> Labels:
    """Return the class that a classifier gives to each synthetic image, having learned from those of other subjects."""
    predicted = np.zeros(len(labels), dtype=np.int64)
    if len(set(task.synthetic_subjects)) < 2:
        return labels
    first, second = halves(task.synthetic_subjects, np.random.default_rng(seed))
    for learned, judged in ((first, second), (second, first)):
        predicted[judged] = predict_classes(
            features[learned], labels[learned], features[judged], task.num_classes, seed
        )
    return predicted


def _task(sets: ImageSets, learning: Indices | None, test: Indices) -> _Task:
    real_labels = np.array(sets.real.labels)
    source = sets.reference
    rows: Indices = np.arange(len(source)) if learning is None else learning
    names = sorted({str(label) for label in real_labels[test]})
    codes = {name: k for k, name in enumerate(names)}
    real = _coded(source.embedding[rows], np.array(source.labels)[rows], codes)
    synthetic = _coded(sets.synthetic.embedding, np.array(sets.synthetic.labels), codes)
    both = np.concatenate([real[0], synthetic[0]]), np.concatenate([real[1], synthetic[1]])
    truth = np.array([codes[label] for label in real_labels[test]], dtype=np.int64)
    training = {"real": real, "synthetic": synthetic, "both": both}
    known = [
        str(subject)
        for subject, label in zip(sets.synthetic.subjects, sets.synthetic.labels or (), strict=True)
        if label in codes
    ]
    subjects = list(sets.real.subjects[test])
    return _Task(training, sets.real.embedding[test], truth, subjects, names, known)


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
