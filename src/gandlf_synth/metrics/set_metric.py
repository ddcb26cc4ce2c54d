"""What a set metric is; each is one file, found through the entry-point group ``set_metrics``.

A set metric compares a set of synthetic images with real ones. It states which numbers it gives, how each becomes a
verdict, and in which words; the evaluation, the thresholds, the verdicts and the report loop over the registered ones.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from gandlf_synth import registry
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Better, Check, Measurement, Metric, Outcome, Question

FEWEST = 20
"""Subjects of each set below which the simulated intervals do not cover, and a number decides nothing."""
_SMALLEST_FLOOR = 1e-6
_Z = 1.959964


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
        fewest: subjects of each set below which the number decides nothing; 0 where the metric itself sees to it.
    """

    threshold: str
    meaning: str
    good: float
    bad: float
    compared: Callable[[Metric], Estimate]
    good_sentence: str
    bad_sentence: str
    fewest: int = 0

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
            num_synthetic_subjects=sets.synthetic.num_subjects,
        )  # fmt: skip

    def _check(self, criterion: Criterion, metric: Metric, thresholds: Mapping[str, float]) -> Check:
        good, bad = (thresholds[name] for name in criterion.defaults)
        limits = Limits(good, bad, higher=metric.better == "higher")
        if metric.refused:
            sentence = f"{metric.title}: {metric.refused}"
            suffices = criterion.fewest if _subjects(metric) < criterion.fewest else 0
            return limits.check(metric.name, "unknown", sentence, suffices=suffices)
        compared = criterion.compared(metric)
        if _subjects(metric) < criterion.fewest:
            sentence = (
                f"{metric.title}: {_subjects(metric)} subjects are too few; {criterion.fewest} in each set suffice"
            )
            return limits.check(metric.name, "unknown", sentence, compared, suffices=criterion.fewest)
        outcome = limits.outcome(compared)
        if outcome == "unknown":
            needed = limits.sufficient(compared, _subjects(metric))
            enough = f"about {needed} subjects in each set would be enough"
            sentence = f"the interval of {metric.title!r} reaches from good to bad; {enough}"
            return limits.check(metric.name, outcome, sentence, compared, suffices=needed)
        sentence = criterion.good_sentence if outcome == "good" else criterion.bad_sentence + self.detail(metric)
        return limits.check(metric.name, outcome, sentence, compared)


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


@dataclass(frozen=True)
class Limits:
    """What separates good, worth a look, and bad.

    Args:
        good: up to here (from here, where more is better) a number is good.
        bad: from here (down to here) it is bad.
        higher: more is better.
    """

    good: float
    bad: float
    higher: bool

    def outcome(self, compared: Estimate) -> Outcome:
        """Return what a number means, given how sure it is.

        A number is good where bad is ruled out and it is either in the good range or cannot be told from a perfect one;
        it is unknown where its interval reaches from good to bad.

        >>> limits = Limits(0.02, 0.2, higher=False)
        >>> [limits.outcome(Estimate(0.1, *ends)) for ends in ((0.05, 0.15), (-0.01, 0.19), (-0.1, 0.3))]
        ['look', 'good', 'unknown']
        """
        outcome = outcome_of(compared.value, self.good, self.bad, higher=self.higher)
        best, worst = (compared.high, compared.low) if self.higher else (compared.low, compared.high)
        maybe_good, maybe_bad = (
            outcome_of(best, self.good, self.bad, higher=self.higher) == "good",
            outcome_of(worst, self.good, self.bad, higher=self.higher) == "bad",
        )
        if maybe_good and maybe_bad:
            return "unknown"
        perfect = best >= 1 if self.higher else best <= 0
        return "good" if outcome == "look" and perfect else outcome

    def p_value(self, compared: Estimate) -> float | None:
        """Return how often chance gives a number as bad as this where the truth is just good; None if it is exact."""
        from scipy.stats import norm

        distance = self.good - compared.value if self.higher else compared.value - self.good
        side = compared.high - compared.value if self.higher else compared.value - compared.low
        return float(norm.sf(distance * _Z / side)) if side > 0 else None

    def sufficient(self, compared: Estimate, subjects: int) -> int:
        """Return about how many subjects make the interval as short as the way from good to bad."""
        ratio = (compared.high - compared.low) / max(abs(self.bad - self.good), _SMALLEST_FLOOR)
        number = max(subjects * ratio**2, subjects + 1)
        digits = 10 ** max(len(str(int(number))) - 2, 0)
        return int(-(-number // digits) * digits)

    def check(
        self, metric: str, outcome: Outcome, sentence: str, compared: Estimate | None = None, suffices: int = 0
    ) -> Check:
        """Return the check of a number."""
        return Check(
            metric=metric, outcome=outcome, sentence=sentence, suffices=suffices, good=self.good, bad=self.bad,
            compared=compared.value if compared else None,
            low=compared.low if compared else None, high=compared.high if compared else None,
            p_value=self.p_value(compared) if compared else None,
        )  # fmt: skip


def unless_unsure(check: Check, metric: Metric, above: float = 0.0, *, decisive: bool = False) -> Check:
    """Return the check of a number of which less is better; unknown where it seems good and may well be bad.

    Args:
        check: of the lower end of the interval, which says what is surely there.
        metric: the number.
        above: what is taken from the number before it is compared.
        decisive: whether the question cannot be answered without it.
    """
    value = metric.value
    if value is None or check.outcome != "good" or value.high - above < check.bad:
        return check
    needed = Limits(check.good, check.bad, higher=False).sufficient(value, min(metric.num_real, metric.num_synthetic))
    sentence = f"the interval of {metric.title!r} reaches from good to bad; about {needed} images in each set suffice"
    return check.model_copy(
        update={"outcome": "unknown", "sentence": sentence, "suffices": needed if decisive else 0, "p_value": None}
    )


def too_few(sets: ImageSets) -> str:
    """Return why two sets cannot be compared at all, or an empty string."""
    alone = [part.name for part in (sets.real, sets.synthetic) if part.num_subjects < 2]
    if not alone:
        return ""
    which, each = " and the ".join(alone), " each" * (len(alone) - 1)
    return f"the {which} images are of one subject{each}; {FEWEST} subjects in each set suffice"


def itself(metric: Metric) -> Estimate:
    """Return the value: a distance that is 0 where nothing differs."""
    return metric.value or _nothing()


def above_floor(metric: Metric) -> Estimate:
    """Return how far the value lies above the floor; nan without them.

    The interval is of the difference of two independent numbers (Zou & Donner 2008).
    """
    value, floor = metric.value, metric.floor
    if not value or not floor:
        return _nothing()
    above = value.value - floor.value
    low = above - math.hypot(value.value - value.low, floor.high - floor.value)
    return Estimate(above, low, above + math.hypot(value.high - value.value, floor.value - floor.low))


def over_floor(metric: Metric) -> Estimate:
    """Return the value divided by the floor; nan without them."""
    return ratio(metric.value, metric.floor) if metric.value and metric.floor else _nothing()


def ratio(value: Estimate, floor: Estimate) -> Estimate:
    """Return the ratio of two independent numbers, with its interval (Zou & Donner 2008, on the scale of logarithms).

    >>> found = ratio(Estimate(0.5, 0.4, 0.6), Estimate(1.0, 1.0, 1.0))
    >>> found.value, round(found.low, 6), round(found.high, 6)
    (0.5, 0.4, 0.6)
    """
    numbers = [[max(x, _SMALLEST_FLOOR) for x in (part.value, part.low, part.high)] for part in (value, floor)]
    (v, v_low, v_high), (f, f_low, f_high) = numbers
    low = v / f / math.exp(math.hypot(math.log(v / v_low), math.log(f_high / f)))
    high = v / f * math.exp(math.hypot(math.log(v_high / v), math.log(f / f_low)))
    return Estimate(value.value / f, min(low, value.value / f), max(high, value.value / f))


def surely_above_floor(metric: Metric) -> Estimate:
    """Return how far the interval's lower end lies above the floor: what chance cannot explain."""
    return _exactly(max(0.0, metric.value.low - metric.floor.value)) if metric.value and metric.floor else _nothing()


def low_end(metric: Metric) -> Estimate:
    """Return the interval's lower end."""
    return _exactly(metric.value.low) if metric.value else _nothing()


def _exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


def _nothing() -> Estimate:
    return _exactly(float("nan"))


def _subjects(metric: Metric) -> int:
    return min(metric.num_subjects, metric.num_synthetic_subjects)
