"""Whether the synthetic images help to train a classifier for the real ones."""

from typing import Any

import numpy as np

from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.results import Interval, Metric
from gandlf_synth.metrics.intervals import bootstrap, halves
from gandlf_synth.metrics.usefulness import CLASSIFIER, mean_balanced_accuracy, predictions

_SEEDS = (0, 1, 2)
_FEWEST = 10
"""Real images to test on below which an accuracy means nothing."""


def usefulness(
    real: ImageSetFeatures, synthetic: ImageSetFeatures, train: ImageSetFeatures | None, extractor: str, seed: int
) -> list[Metric]:
    """Return the accuracy on real images of classifiers trained on synthetic, on real, and on both.

    Real images to train on are those of ``train``; without it, a half of ``real`` by subject.
    """
    reason = _unlabelled(real, synthetic, train)
    if reason:
        return [_metric("train_synthetic", "Trained on synthetic, tested on real", refused=reason)]
    if train is None:
        learn, test = halves(real.planes.subjects, np.random.default_rng(seed))
        learning, learning_labels = real.embedding[learn], np.array(real.planes.labels)[learn]
    else:
        known = set(train.planes.content)
        test = np.array([k for k, content in enumerate(real.planes.content) if content not in known], dtype=np.int64)
        learning, learning_labels = train.embedding, np.array(train.planes.labels)
    if len(test) < _FEWEST:
        return [
            _metric("train_synthetic", "Trained on synthetic, tested on real", refused="too few real images to test on")
        ]
    names = sorted(set(np.array(real.planes.labels)[test]))
    codes = {name: k for k, name in enumerate(names)}
    sets = {
        "real": (learning, learning_labels),
        "synthetic": (synthetic.embedding, np.array(synthetic.planes.labels)),
    }
    coded = {}
    for name, (features, labels) in sets.items():
        kept = np.array([label in codes for label in labels])
        coded[name] = (features[kept], np.array([codes[label] for label in labels[kept]], dtype=np.int64))
    coded["both"] = tuple(np.concatenate([coded["real"][k], coded["synthetic"][k]]) for k in range(2))  # type: ignore[assignment]
    truth = np.array([codes[label] for label in np.array(real.planes.labels)[test]], dtype=np.int64)
    groups = [list(real.planes.subjects[test])]
    runs = {
        name: [predictions(features, labels, real.embedding[test], len(names), s) for s in _SEEDS]
        for name, (features, labels) in coded.items()
    }

    def accuracy(name: str) -> Interval:
        own = runs[name]
        return Interval.of(
            bootstrap(lambda i: mean_balanced_accuracy([run[i] for run in own], truth[i]), groups, seed=seed)
        )

    def gain() -> Interval:
        return Interval.of(
            bootstrap(
                lambda i: (
                    mean_balanced_accuracy([run[i] for run in runs["both"]], truth[i])
                    - mean_balanced_accuracy([run[i] for run in runs["real"]], truth[i])
                ),
                groups,
                seed=seed,
            )
        )

    common: dict[str, Any] = {
        "extractor": extractor, "num_real": len(test), "num_synthetic": len(coded["synthetic"][1]),
        "num_subjects": len(set(groups[0])), "interval_method": "bootstrap by subject of the test images",
    }  # fmt: skip
    note = f"balanced accuracy, {len(names)} classes, mean of 3 seeds; classifier: {CLASSIFIER}"
    on_real = accuracy("real")
    return [
        _metric(
            "train_synthetic", "Trained on synthetic, tested on real", value=accuracy("synthetic"), floor=on_real,
            note=f"{note}; the floor is trained on {len(coded['real'][1])} real images", **common,
        ),
        _metric(
            "augmentation_gain", "Gain from adding synthetic to real", value=gain(),
            floor=Interval(value=0, low=0, high=0), note=note, **common,
        ),
    ]  # fmt: skip


def _metric(name: str, title: str, **values: Any) -> Metric:
    return Metric(name=name, title=title, question="useful", better="higher", **values)


def _unlabelled(real: ImageSetFeatures, synthetic: ImageSetFeatures, train: ImageSetFeatures | None) -> str:
    for described in (real, synthetic, *([train] if train else [])):
        if described.planes.labels is None:
            return f"the {described.planes.name} images have no labels; a CSV with Label and LabelMapping gives them"
    names = set(real.planes.labels or ())
    if len(names) < 2:
        return "the real images are all of one class"
    if not names & set(synthetic.planes.labels or ()):
        return "real and synthetic images share no class name"
    return ""
