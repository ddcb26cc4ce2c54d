"""What a set metric is; each is one file, found through the entry-point group ``set_metrics``.

A set metric compares a set of synthetic images with real ones. It states which numbers it gives, how each becomes a
verdict, and in which words; the evaluation, the thresholds, the verdicts and the report loop over the registered ones.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from gandlf_synth import registry
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Better, Check, Measurement, Metric, Outcome, Question

_SMALLEST_FLOOR = 1e-6


@dataclass(frozen=True)
class Criterion:
    """How a number becomes good, worth a look, or bad.

    Args:
        threshold: the stem of the names of its thresholds: ``kid`` for ``kid_good`` and ``kid_bad``.
        meaning: what is compared with the thresholds, for the documentation.
        good: the default threshold up to which (from which, where more is better) the number is good.
        bad: the default threshold from which (down to which) it is bad.
        compared: metric → the number that is compared, such as ``above_floor``.
        good_sentence: what a good number means.
        bad_sentence: what another number means.
    """

    threshold: str
    meaning: str
    good: float
    bad: float
    compared: Callable[[Metric], float]
    good_sentence: str
    bad_sentence: str

    @property
    def defaults(self) -> dict[str, float]:
        """The thresholds by name."""
        return {f"{self.threshold}_good": self.good, f"{self.threshold}_bad": self.bad}


@dataclass(frozen=True)
class Measure:
    """One number that a set metric gives.

    Args:
        name: in ``metrics.json``.
        title: in the report.
        question: the question that it helps to answer.
        better: which values are good.
        unit: behind the number.
        criterion: how it becomes a verdict; None: it is shown and decides nothing.
    """

    name: str
    title: str
    question: Question
    better: Better
    unit: str = ""
    criterion: Criterion | None = None


@dataclass(frozen=True)
class MeasureSettings:
    """What is the same for all set metrics of an evaluation.

    Args:
        seed: of subsampling, bootstrap and classifiers.
        extractor: name, weights and number of features of the feature extractor, for the record.
        false_alarm: the share of held-out real images that may be taken for copies.
    """

    seed: int = 0
    extractor: str = ""
    false_alarm: float = 0.01


class SetMetric(BaseModel, ABC):
    """A comparison of a set of synthetic images with real ones; its fields are its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    measures: ClassVar[tuple[Measure, ...]]
    """The numbers that it gives."""
    position: ClassVar[int] = 1000
    """The place of its numbers in the report; small ones come first."""

    @abstractmethod
    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return what the metric finds; ``metric`` makes the numbers in it."""

    def detail(self, metric: Metric) -> str:
        """Return what follows the sentence on a number that is not good, such as in which way it differs."""
        return ""

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return one check for every number that has a criterion."""
        pairs = [(self.measure(metric.name).criterion, metric) for metric in measurement.metrics]
        return [self._check(criterion, metric, thresholds) for criterion, metric in pairs if criterion is not None]

    def measure(self, name: str) -> Measure:
        """Return the measure of that name."""
        return next(measure for measure in self.measures if measure.name == name)

    def metric(
        self,
        name: str,
        sets: ImageSets,
        value: Estimate | None = None,
        floor: Estimate | None = None,
        *,
        extractor: str = "",
        refused: str = "",
        note: str = "",
        details: Mapping[str, float] | None = None,
    ) -> Metric:
        """Return the number of the measure ``name``, of all images of ``sets``.

        Args:
            name: of the measure.
            sets: what was compared.
            value: the number; None where it was refused.
            floor: the same between real images.
            extractor: ``settings.extractor`` where features are compared, else nothing.
            refused: why there is no number, and what to read instead.
            note: what else a reader should know.
            details: further numbers by name.
        """
        measure = self.measure(name)
        return Metric(
            name=name, title=measure.title, question=measure.question, better=measure.better, unit=measure.unit,
            value=value, floor=floor, interval_method=value.method if value else "", extractor=extractor,
            refused=refused, note=note, details=dict(details or {}), num_real=len(sets.real),
            num_synthetic=len(sets.synthetic), num_subjects=sets.real.num_subjects,
        )  # fmt: skip

    def _check(self, criterion: Criterion, metric: Metric, thresholds: Mapping[str, float]) -> Check:
        good, bad = (thresholds[name] for name in criterion.defaults)
        if metric.refused:
            sentence, compared, outcome = f"{metric.title}: {metric.refused}", None, "unknown"
            return Check(metric=metric.name, outcome="unknown", compared=None, good=good, bad=bad, sentence=sentence)
        compared = criterion.compared(metric)
        outcome = outcome_of(compared, good, bad, higher=metric.better == "higher")
        sentence = criterion.good_sentence if outcome == "good" else criterion.bad_sentence + self.detail(metric)
        return Check(metric=metric.name, outcome=outcome, compared=compared, good=good, bad=bad, sentence=sentence)


def registered_set_metrics() -> list[SetMetric]:
    """Return every registered set metric with its default parameters, in the order of the report."""
    kinds: dict[type[SetMetric], None] = {}
    for name in registry.names("set_metrics"):
        kinds[registry.load("set_metrics", name)] = None
    return sorted((kind() for kind in kinds), key=lambda metric: metric.position)


def outcome_of(compared: float, good: float, bad: float, *, higher: bool) -> Outcome:
    """Return what a number means, given its thresholds; ``unknown`` for nan.

    >>> [outcome_of(value, good=0.8, bad=0.5, higher=True) for value in (0.9, 0.6, 0.4)]
    ['good', 'look', 'bad']
    """
    if compared != compared:  # noqa: PLR0124
        return "unknown"
    if (compared >= good) if higher else (compared <= good):
        return "good"
    return "bad" if ((compared <= bad) if higher else (compared >= bad)) else "look"


def above_floor(metric: Metric) -> float:
    """Return how far the value lies above the floor; nan without them."""
    return metric.value.value - metric.floor.value if metric.value and metric.floor else float("nan")


def over_floor(metric: Metric) -> float:
    """Return the value divided by the floor; nan without them."""
    return (
        metric.value.value / max(metric.floor.value, _SMALLEST_FLOOR) if metric.value and metric.floor else float("nan")
    )


def surely_above_floor(metric: Metric) -> float:
    """Return how far the interval's lower end lies above the floor: what chance cannot explain."""
    return max(0.0, metric.value.low - metric.floor.value) if metric.value and metric.floor else float("nan")


def low_end(metric: Metric) -> float:
    """Return the interval's lower end."""
    return metric.value.low if metric.value else float("nan")
