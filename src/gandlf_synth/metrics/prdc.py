"""Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) by nearest neighbors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, halves, of_subsamples, subset
from gandlf_synth.metrics.neighbors import distance_rows, radii
from gandlf_synth.metrics.results import Check, ClassRow, Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, outcome_of, over_floor


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


def prdc(real: Floats, synthetic: Floats, k: int = 5) -> Prdc:
    """Return the overlap of ``real (n, dimension)`` and ``synthetic (m, dimension)``.

    A neighborhood is the open ball that reaches to the ``k``-th nearest image of the same set; ``k`` is lowered to
    what the smaller set has.

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
    real_radii, synthetic_radii = radii(real, k), radii(synthetic, k)
    inside = np.zeros(len(synthetic), dtype=np.int64)
    recalled, covered = np.zeros(len(real), dtype=bool), np.zeros(len(real), dtype=bool)
    for rows, distances in distance_rows(real, synthetic):
        within = distances < real_radii[rows, None]
        inside += within.sum(axis=0)
        covered[rows] = within.any(axis=1)
        recalled[rows] = (distances < synthetic_radii).any(axis=1)
    return Prdc(float((inside > 0).mean()), float(recalled.mean()), float(inside.mean() / k), covered)


@dataclass(frozen=True)
class _Repeat:
    """One random half of the real images, against as many synthetic images and against the other half."""

    real: Indices
    value: Prdc
    floor: Prdc


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
    neighbors: int = 5
    """The neighbor to which a neighborhood reaches."""

    position: ClassVar[int] = 80
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "precision", "Precision", "faithful", "higher",
            criterion=Criterion(
                "precision_of_floor",
                "Share of synthetic images that lie among the real ones, over the same share for real ones.",
                0.8, 0.5, over_floor, "images lie among the real ones", "many images lie where no real one does",
            ),
        ),
        Measure("density", "Density", "faithful", "higher"),
        Measure(
            "recall", "Recall", "diverse", "higher",
            criterion=Criterion(
                "recall_of_floor",
                "Share of real images that lie among the synthetic ones, over the same share for real ones.",
                0.8, 0.5, over_floor, "real images are found among the synthetic ones",
                "many real images have no like among the synthetic ones (recall)",
            ),
        ),
        Measure(
            "coverage", "Coverage", "diverse", "higher",
            criterion=Criterion(
                "coverage_of_floor",
                "Share of real images with a synthetic one in their neighborhood, over the same share for real ones.",
                0.8, 0.5, over_floor, "real neighbourhoods are filled",
                "many real neighbourhoods are empty (coverage)",
            ),
        ),
        Measure("class_coverage", "Coverage of each class", "diverse", "higher"),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the four numbers, and coverage class by class.

        Each repeat compares a random half of the real images with as many synthetic ones and with the other half, so
        that value and floor are of equal size and may be compared; both depend on the size.
        """
        repeats = self._repeats(sets, settings.seed)
        size = len(repeats[0].real)
        setting = (
            f"{self.repeats} random halves, {size} real against as many synthetic images; "
            f"{self.neighbors} nearest neighbours"
        )
        metrics = []
        for name, meaning in _MEANINGS.items():
            limit = math.inf if name == "density" else 1.0
            value = of_subsamples([getattr(repeat.value, name) for repeat in repeats]).within(0, limit)
            floor = of_subsamples([getattr(repeat.floor, name) for repeat in repeats]).within(0, limit)
            note = f"{meaning}; {setting}"
            metrics.append(self.metric(name, sets, value, floor, extractor=settings.extractor, note=note))
        return Measurement(metrics, per_class=_per_class(sets, repeats))

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the checks of the numbers, and one for every class that is hardly covered."""
        good, bad = thresholds["coverage_of_floor_good"], thresholds["coverage_of_floor_bad"]
        checks = super().checks(measurement, thresholds)
        for row in measurement.per_class:
            ratio = row.coverage.value / max(row.floor.value, 1e-6)
            outcome = "bad" if row.num_synthetic == 0 else outcome_of(ratio, good, bad, higher=True)
            if outcome != "good":
                none = ", which has no synthetic image" if row.num_synthetic == 0 else ""
                sentence = f"class {row.name!r} is covered at {ratio:.0%} of what real images would{none}"
                checks.append(
                    Check(
                        metric="class_coverage", outcome=outcome, compared=ratio, good=good, bad=bad, sentence=sentence
                    )
                )
        return checks

    def _repeats(self, sets: ImageSets, seed: int) -> list[_Repeat]:
        rng = np.random.default_rng(seed)
        real, synthetic = sets.real.embedding, sets.synthetic.embedding
        repeats = []
        for _ in range(self.repeats):
            first, second = halves(sets.real.subjects, rng)
            count = min(len(first), len(second), len(synthetic), self.largest)
            first, second = first[rng.permutation(len(first))[:count]], second[rng.permutation(len(second))[:count]]
            other = subset(sets.synthetic.subjects, count, rng)
            value = prdc(real[first], synthetic[other], self.neighbors)
            repeats.append(_Repeat(first, value, prdc(real[first], real[second], self.neighbors)))
        return repeats


def _per_class(sets: ImageSets, repeats: Sequence[_Repeat]) -> list[ClassRow]:
    if not sets.real.labels:
        return []
    labels, synthetic_labels = np.array(sets.real.labels), sets.synthetic.labels
    rows = []
    for name in np.unique(labels):
        inside = [(repeat, labels[repeat.real] == name) for repeat in repeats]
        present = [(repeat, places) for repeat, places in inside if places.any()]
        if present:
            rows.append(
                ClassRow(
                    name=str(name),
                    num_real=int((labels == name).sum()),
                    num_synthetic=None if synthetic_labels is None else synthetic_labels.count(str(name)),
                    coverage=_share([repeat.value.covered[places] for repeat, places in present]),
                    floor=_share([repeat.floor.covered[places] for repeat, places in present]),
                )
            )
    return rows


def _share(covered: Sequence[NDArray[np.bool_]]) -> Estimate:
    return of_subsamples([float(part.mean()) for part in covered]).within(0, 1)
