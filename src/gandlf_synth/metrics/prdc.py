"""Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) by nearest neighbors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Groups, Indices, Subjects, halves, share, subset
from gandlf_synth.metrics.neighbors import all_distances
from gandlf_synth.metrics.results import Check, ClassRow, Measurement
from gandlf_synth.metrics.set_metric import Criterion, Limits, Measure, MeasureSettings, SetMetric, over_floor, ratio

NEIGHBORS = 5
"""The neighbor to which a neighborhood reaches (Naeem et al. 2020)."""


@dataclass(frozen=True)
class Prdc:
    """How two sets of features overlap.

    Args:
        precision: share of synthetic images within some real image's neighborhood.
        recall: share of real images within some synthetic image's neighborhood.
        density: how many real neighborhoods a synthetic image lies in, over ``k``; 1 for equal distributions.
        covered: per real image, whether its neighborhood holds a synthetic one.
    """

    precision: float
    recall: float
    density: float
    covered: NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """Share of real images whose neighborhood holds a synthetic one."""
        return float(self.covered.mean())


def prdc(
    real: Floats,
    synthetic: Floats,
    k: int = NEIGHBORS,
    real_subjects: Groups | None = None,
    synthetic_subjects: Groups | None = None,
) -> Prdc:
    """Return the overlap of ``real (n, dimension)`` and ``synthetic (m, dimension)``.

    A neighborhood is the open ball that reaches to the ``k``-th nearest image of the same set and of another subject;
    without subjects, each image is one. ``k`` is lowered to what the smaller set has.

    Raises:
        ValueError: fewer than two rows in a set.

    >>> features = np.random.default_rng(0).normal(size=(50, 4))
    >>> one_of_two = prdc(np.concatenate([features, features + 50]), features + 1e-3)
    >>> one_of_two.precision, one_of_two.recall, one_of_two.coverage
    (1.0, 0.5, 0.5)
    """
    k = min(k, len(real) - 1, len(synthetic) - 1)
    if k < 1:
        raise ValueError("neighbors need two features per set")
    distances = _Distances.of(real, synthetic, real_subjects, synthetic_subjects)
    return _overlap(distances.real, distances.synthetic, distances.across, k)


@dataclass(frozen=True)
class _Distances:
    """Distances within ``real (n, n)`` and ``synthetic (m, m)``, infinite to images of the same subject, and across."""

    real: Floats
    synthetic: Floats
    across: Floats

    @classmethod
    def of(cls, real: Floats, synthetic: Floats, subjects: Groups | None, others: Groups | None) -> "_Distances":
        return cls(_within(real, subjects), _within(synthetic, others), all_distances(real, synthetic))

    def between(self, first: Indices, other: Indices, k: int) -> Prdc:
        """Return the overlap of some real images with some synthetic ones."""
        return _overlap(_part(self.real, first), _part(self.synthetic, other), self.across[np.ix_(first, other)], k)

    def among_real(self, first: Indices, second: Indices, k: int) -> Prdc:
        """Return the overlap of some real images with others of other subjects."""
        return _overlap(_part(self.real, first), _part(self.real, second), self.real[np.ix_(first, second)], k)


def _part(distances: Floats, rows: Indices) -> Floats:
    return distances[np.ix_(rows, rows)]


def _within(features: Floats, subjects: Groups | None) -> Floats:
    distances = all_distances(features, features)
    groups = np.arange(len(features)) if subjects is None else np.unique(np.asarray(subjects), return_inverse=True)[1]
    distances[groups[:, None] == groups] = np.inf
    return distances


def _overlap(real: Floats, synthetic: Floats, across: Floats, k: int) -> Prdc:
    real_radii, synthetic_radii = (np.partition(part, k - 1, axis=1)[:, k - 1] for part in (real, synthetic))
    within: NDArray[np.bool_] = np.less(across, real_radii[:, None])
    inside = within.sum(axis=0)
    recalled = (across < synthetic_radii).any(axis=1)
    return Prdc(
        float((inside > 0).mean()), float(recalled.mean()), float(inside.mean() / k), np.asarray(within.any(axis=1))
    )


@dataclass(frozen=True)
class _Repeats:
    """Random parts of the real images, each against random parts of the synthetic ones and against other real ones.

    Args:
        real: images of each part.
        values: of each part against each part of the synthetic images.
        floors: of each part against as many other real images.
        real_share: variance of the whole over the variance of parts, as far as it is of the real images.
        synthetic_share: the same of the synthetic images.
    """

    real: Sequence[Indices]
    values: Sequence[Sequence[Prdc]]
    floors: Sequence[Prdc]
    real_share: float
    synthetic_share: float

    def value(self, number: Callable[[int, Prdc], float]) -> Estimate:
        """Return a number with the interval that the parts give (delete-d jackknife, both sets; Shao & Wu 1989)."""
        table = np.array([[number(place, each) for each in row] for place, row in enumerate(self.values)])
        rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
        rows, columns = table.shape
        noise = (rest**2).sum() / ((rows - 1) * (columns - 1))
        of_real = max(float(table.mean(axis=1).var(ddof=1) - noise / columns), 0.0)
        of_synthetic = max(float(table.mean(axis=0).var(ddof=1) - noise / rows), 0.0)
        variance = self.real_share * of_real + self.synthetic_share * of_synthetic
        return self._with_interval(float(table.mean()), variance)

    def floor(self, number: Callable[[int, Prdc], float]) -> Estimate:
        """Return the number between real images."""
        numbers = np.array([number(place, each) for place, each in enumerate(self.floors)])
        return self._with_interval(float(numbers.mean()), float(numbers.var(ddof=1)) * self.real_share)

    def _with_interval(self, value: float, variance: float) -> Estimate:
        from scipy.stats import t

        spread = float(t.ppf(0.975, len(self.real) - 1) * np.sqrt(variance))
        return Estimate(value, value - spread, value + spread, "subsampling by subject")


_FEWEST = 40
"""Subjects of each set below which the numbers decide nothing; the parts that are compared hold half of them."""
_NEAR_THE_ENDS = 5
"""So many images inside, or outside, are too few for a normal interval of a share."""
_FEWEST_OF_CLASS = 20
"""Real images of a class below which its coverage decides nothing."""
_MEANINGS = {
    "precision": "share of synthetic images that lie among the real ones",
    "density": "how densely real images surround the synthetic ones; 1 is like real",
    "recall": "share of real images that lie among the synthetic ones",
    "coverage": "share of real images with a synthetic one in their neighbourhood",
}


class Overlap(SetMetric):
    """Precision, density, recall and coverage by nearest neighbors, and coverage class by class."""

    repeats: int = 10
    """Random halves of the real images."""
    largest: int = 1500
    """Images of a set that are compared in one repeat; the cost grows with the square."""
    neighbors: int = NEIGHBORS
    """The neighbor to which a neighborhood reaches."""

    position: ClassVar[int] = 80
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "precision", "Synthetic images among the real ones (precision)", "faithful", "higher",
            criterion=Criterion(
                "precision_of_real",
                "Share of synthetic images that lie among the real ones, over the same share for real ones.",
                0.8, 0.5, over_floor, "images lie among the real ones", "many images lie where no real one does",
                _FEWEST,
            ),
        ),
        Measure("density", "Crowding around real images (density)", "faithful", "higher"),
        Measure(
            "recall", "Real images among the synthetic ones (recall)", "diverse", "higher",
            criterion=Criterion(
                "recall_of_real",
                "Share of real images that lie among the synthetic ones, over the same share for real ones.",
                0.8, 0.5, over_floor, "real images are found among the synthetic ones",
                "many real images have no like among the synthetic ones (recall)", _FEWEST,
            ),
        ),
        Measure(
            "coverage", "Real images with a synthetic one nearby (coverage)", "diverse", "higher",
            criterion=Criterion(
                "coverage_of_real",
                "Share of real images with a synthetic one in their neighborhood, over the same share for real ones.",
                0.8, 0.5, over_floor, "real neighbourhoods are filled",
                "many real neighbourhoods are empty (coverage)", _FEWEST,
            ),
        ),
        Measure("class_coverage", "Coverage of each class", "diverse", "higher"),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the four numbers, and coverage class by class.

        Each repeat compares a random part of the real images with as many synthetic ones and with as many other real
        ones, so that value and floor are of equal size and may be compared; both depend on the size.
        """
        fewest = min(sets.real.num_subjects, sets.synthetic.num_subjects)
        needed = 2 * (self.neighbors + 1)
        if fewest < needed:
            reason = f"{self.neighbors} neighbors need {needed} subjects, not {fewest}; {_FEWEST} in each set suffice"
            names = [self.metric(name, sets, extractor=settings.extractor, refused=reason) for name in _MEANINGS]
            return Measurement(names)
        repeats = self._repeats(sets, settings.seed)
        setting = (
            f"{self.repeats} random parts of {len(repeats.real[0])} real images against as many synthetic ones; "
            f"{self.neighbors} nearest neighbours of other subjects"
        )
        metrics = []
        for name, meaning in _MEANINGS.items():

            def number(_: int, overlap: Prdc, name: str = name) -> float:
                return float(getattr(overlap, name))

            value, floor = repeats.value(number), repeats.floor(number)
            if name != "density":
                value, floor = (_at_the_ends(estimate, fewest) for estimate in (value, floor))
            note = f"{meaning}; {setting}"
            metrics.append(self.metric(name, sets, value, floor, extractor=settings.extractor, note=note))
        return Measurement(metrics, per_class=_per_class(sets, repeats))

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the checks of the numbers, and one for every class that is hardly covered."""
        limits = Limits(thresholds["coverage_of_real_good"], thresholds["coverage_of_real_bad"], higher=True)
        checks = super().checks(measurement, thresholds)
        for row in measurement.per_class:
            share_of_real = ratio(row.coverage, row.floor)
            sentence = f"class {row.name!r} is covered at {share_of_real.value:.0%} of what real images would"
            if row.num_synthetic == 0:
                missing = limits.check("class_coverage", "bad", f"{sentence}, which has no synthetic image")
                checks.append(missing.model_copy(update={"compared": share_of_real.value}))
            elif row.num_real >= _FEWEST_OF_CLASS:
                check = limits.check("class_coverage", limits.outcome(share_of_real), sentence, share_of_real)
                checks += [check] if check.outcome in ("look", "bad") else []
        return checks

    def _repeats(self, sets: ImageSets, seed: int) -> _Repeats:
        rng = np.random.default_rng(seed)
        chosen, others = (_at_most(part.subjects, 2 * self.largest, rng) for part in (sets.real, sets.synthetic))
        subjects, other_subjects = sets.real.subjects[chosen], sets.synthetic.subjects[others]
        distances = _Distances.of(
            sets.real.embedding[chosen], sets.synthetic.embedding[others], subjects, other_subjects
        )
        pairs = [halves(subjects, rng) for _ in range(self.repeats)]
        count = min(*(len(half) for pair in pairs for half in pair), len(others) // 2)
        pairs = [
            (first[_at_most(subjects[first], count, rng)], second[_at_most(subjects[second], count, rng)])
            for first, second in pairs
        ]
        parts = [subset(other_subjects, count, rng) for _ in range(self.repeats)]
        return _Repeats(
            [chosen[first] for first, _ in pairs],
            [[distances.between(first, part, self.neighbors) for part in parts] for first, _ in pairs],
            [distances.among_real(first, second, self.neighbors) for first, second in pairs],
            count / (len(sets.real) - count),
            count / (len(sets.synthetic) - count),
        )


def _at_the_ends(estimate: Estimate, count: int) -> Estimate:
    """Return a share with its interval; near 0 and 1, where the parts agree by being few, at least Wilson's."""
    near = min(estimate.value, 1 - estimate.value) * count < _NEAR_THE_ENDS
    wilson = share(estimate.value * count, count) if near else estimate
    low, high = min(estimate.low, wilson.low), max(estimate.high, wilson.high)
    return replace(estimate, low=low, high=high).within(0, 1)


def _at_most(subjects: Subjects, count: int, rng: np.random.Generator) -> Indices:
    """Return all images, or so many of them in whole subjects."""
    return np.arange(len(subjects)) if len(subjects) <= count else subset(subjects, count, rng)


def _per_class(sets: ImageSets, repeats: _Repeats) -> list[ClassRow]:
    if not sets.real.labels:
        return []
    labels, synthetic_labels = np.array(sets.real.labels), sets.synthetic.labels
    rows = []
    for name in np.unique(labels):
        inside = [labels[part] == name for part in repeats.real]
        if not all(places.any() for places in inside):
            continue

        def covered(place: int, overlap: Prdc, inside: Sequence[NDArray[np.bool_]] = inside) -> float:
            return float(overlap.covered[inside[place]].mean())

        rows.append(
            ClassRow(
                name=str(name),
                num_real=int((labels == name).sum()),
                num_synthetic=None if synthetic_labels is None else synthetic_labels.count(str(name)),
                coverage=_at_the_ends(repeats.value(covered), int((labels == name).sum())),
                floor=_at_the_ends(repeats.floor(covered), int((labels == name).sum())),
            )
        )
    return rows
