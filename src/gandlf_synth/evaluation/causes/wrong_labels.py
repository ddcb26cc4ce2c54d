"""Labels that are swapped or wrong, by a classifier that knows the real classes and one that learns synthetic ones."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.causes.appearance import describe, middle_planes
from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects, bootstrap, members

_FEWEST = 10
"""Images of each class below which nothing is said."""
_FOLDS = 5
_KNOWN = 0.3
"""Kappa that a classifier must reach on held-out real images, for labels to be judged by it."""
_LOOK, _BAD = 0.1, 0.25
"""Lower end of the interval of the share of wrong labels, from which to look at it, and from which it is bad."""
_MOST_CLASSES = 6
_RIDGE = 30.0
_TURNED = 0.8
"""Share of the accuracy on real images that other names of the classes must reach, to be called swapped."""


def find_wrong_labels(sets: ImageSets) -> list[Cause]:
    """Return what is wrong with the labels of the synthetic images: missing classes, swapped or wrong labels."""
    if not sets.real.labels or not sets.synthetic.labels:
        return []
    missing = _missing_classes(sets)
    real, synthetic = (np.array(part.labels) for part in (sets.real, sets.synthetic))
    names = [str(name) for name in np.unique(real) if min((real == name).sum(), (synthetic == name).sum()) >= _FEWEST]
    if not 1 < len(names) <= _MOST_CLASSES:
        return missing
    judged = _judge(_of_classes(sets.real, names), _of_classes(sets.synthetic, names), len(names))
    swap = _swapped(judged, names)
    return [*missing, *([swap] if swap else _share_of_wrong(judged, len(names)))]


def _missing_classes(sets: ImageSets) -> list[Cause]:
    names = sorted(set(sets.real.labels or ()))
    gone = [name for name in names if name not in set(sets.synthetic.labels or ())]
    if not gone or len(gone) == len(names):
        return []
    counts = ", ".join(
        f"{name!r} ({(sets.real.labels or []).count(name) / len(sets.real):.0%} of the real images)" for name in gone
    )
    sentence = f"class{'es' if len(gone) > 1 else ''} {counts} {'have' if len(gone) > 1 else 'has'} no synthetic image"
    explains = ("class_coverage", "recall", "coverage", "kid", "fid")
    return [
        Cause(
            name="missing_class", question="diverse", outcome="bad", sentence=sentence, strength=float(len(gone)),
            limit=1.0, explains=explains,
        )
    ]  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """The images of a set that have one of the classes: their looks, their classes as numbers, their subjects."""

    looks: Floats
    codes: Indices
    subjects: Subjects


@dataclass(frozen=True)
class _Judged:
    """Whether each image was given its class.

    Args:
        real: held-out real images, by a classifier of real ones.
        synthetic: held-out synthetic images, by a classifier of synthetic ones with their labels.
        guesses: of synthetic images, by a classifier of real ones.
        codes: what the labels of the synthetic images say.
        subjects: of the real and of the synthetic images.
    """

    real: NDArray[np.bool_]
    synthetic: NDArray[np.bool_]
    guesses: Indices
    codes: Indices
    subjects: tuple[Subjects, Subjects]


def _of_classes(images: ImageSetFeatures, names: list[str]) -> _Part:
    labels = np.array(images.labels)
    chosen = np.flatnonzero(np.isin(labels, names))
    groups = describe(middle_planes(images, chosen))
    looks = np.concatenate([*groups.values(), images.embedding[chosen]], axis=1)
    deviation = looks.std(axis=0)
    looks = (looks - looks.mean(axis=0)) / np.where(deviation > 1e-6, deviation, np.inf)
    return _Part(looks, np.searchsorted(names, labels[chosen]), images.subjects[chosen])


def _judge(real: _Part, synthetic: _Part, classes: int) -> _Judged:
    guesses = predict(real.looks, real.codes, synthetic.looks, classes)
    held_out = [_held_out(part, classes) == part.codes for part in (real, synthetic)]
    return _Judged(held_out[0], held_out[1], guesses, synthetic.codes, (real.subjects, synthetic.subjects))


def predict(looks: Floats, codes: Indices, others: Floats, classes: int) -> Indices:
    """Return the classes of ``others`` by ridge regression on those of ``looks``; each class weighs the same."""
    targets = np.eye(classes)[codes] - 1 / classes
    weights = 1 / np.bincount(codes, minlength=classes).clip(1)[codes]
    root = np.sqrt(weights / weights.mean())[:, None]
    rows = looks * root
    kernel = rows @ rows.T / looks.shape[1]
    solution = np.linalg.solve(kernel + _RIDGE / len(looks) * np.eye(len(looks)), targets * root)
    return np.asarray((others @ rows.T / looks.shape[1] @ solution).argmax(axis=1), dtype=np.int64)


def _held_out(part: _Part, classes: int) -> Indices:
    """Return the classes that images get from a classifier that has not seen their subject."""
    rng = np.random.default_rng(0)
    groups = members(part.subjects)
    guesses = np.zeros(len(part.codes), dtype=np.int64)
    for fold in np.array_split(rng.permutation(len(groups)), min(_FOLDS, len(groups))):
        inside = np.concatenate([groups[place] for place in fold])
        outside = np.setdiff1d(np.arange(len(part.codes)), inside)
        guesses[inside] = predict(part.looks[outside], part.codes[outside], part.looks[inside], classes)
    return guesses


def _swapped(judged: _Judged, names: list[str]) -> Cause | None:
    """Return which classes have each other's names, if other names fit the images as well as the real ones' do."""
    known = float(judged.real.mean())
    if (known - 1 / len(names)) / (1 - 1 / len(names)) < _KNOWN:
        return None
    orders = list(permutations(range(len(names))))
    fits = [float((np.array(order)[judged.codes] == judged.guesses).mean()) for order in orders]
    best = int(np.argmax(fits))
    if best == 0 or fits[best] < _TURNED * known or fits[best] - fits[0] < _BAD:
        return None
    pairs = ", ".join(f"{names[k]!r} looks like {names[m]!r}" for k, m in enumerate(orders[best]) if k != m)
    sentence = f"labels are swapped: {pairs}"
    return Cause(
        name="swapped_labels", question="useful", outcome="bad", sentence=sentence, strength=fits[best],
        limit=_TURNED * known, explains=("train_synthetic",),
    )  # fmt: skip


def _share_of_wrong(judged: _Judged, classes: int) -> list[Cause]:
    """Return the share of wrong labels, if there are many: a classifier fails on them, even one that learned them."""
    chance = 1 / classes

    def wrong(real: Indices, synthetic: Indices) -> float:
        known = judged.real[real].mean() - chance
        by_real = (judged.guesses == judged.codes)[synthetic].mean()
        fits = max(by_real, judged.synthetic[synthetic].mean()) - chance
        return float((known - fits) / max(known, 1e-6)) * (1 - chance)

    if (judged.real.mean() - chance) / (1 - chance) < _KNOWN:
        return []
    share = bootstrap(wrong, judged.subjects, seed=0).within(0, 1)
    if share.low < _LOOK:
        return []
    about = f"about {share.value:.0%} of the labels are wrong ({share.low:.0%} to {share.high:.0%})"
    sentence = f"{about}: images do not look like their class"
    return [
        Cause(
            name="wrong_labels", question="useful", outcome="bad" if share.low >= _BAD else "look", sentence=sentence,
            strength=share.low, limit=_LOOK, explains=("train_synthetic",),
        )
    ]  # fmt: skip
