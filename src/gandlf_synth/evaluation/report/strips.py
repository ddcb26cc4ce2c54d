"""Each measure as one row with a strip: value, interval, the same between real images, and where good and bad begin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from gandlf_synth.evaluation.report.templates import SHARE, format_interval, format_number, format_reference
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Check, ClassRow, Metric, Outcome
from gandlf_synth.metrics.set_metric import Criterion, Limits, outcome_of, ratio, registered_set_metrics

_GRID = 601
_MARGIN = 0.06


@dataclass(frozen=True)
class Span:
    """A part of a strip, in percent of its width."""

    left: float
    width: float
    kind: str = ""


@dataclass(frozen=True)
class Strip:
    """Where everything lies, in percent of the width.

    Args:
        value: the number.
        interval: its 95 % interval.
        real: the number between real images, None without.
        real_interval: its interval.
        zones: what is good, worth a look and bad.
    """

    value: float
    interval: Span
    real: float | None
    real_interval: Span | None
    zones: list[Span] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A measure, or a class, as the page shows it."""

    title: str
    value: str
    real: str
    outcome: Outcome | None
    strip: Strip | None
    better: str = ""
    note: str = ""
    refused: str = ""
    counts: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Scale:
    """What a strip spans."""

    low: float
    high: float

    def place(self, x: float) -> float:
        """Return where ``x`` lies, in percent."""
        return round(100 * min(1.0, max(0.0, (x - self.low) / (self.high - self.low))), 2)

    def span(self, low: float, high: float, kind: str = "") -> Span:
        """Return where an interval lies."""
        if np.isnan([low, high]).any():
            return Span(0.0, 0.0, kind)
        left = self.place(low)
        return Span(left, round(self.place(high) - left, 2), kind)


Judge = Callable[[float], Outcome]
"""What a value would mean."""


def build_rows(evaluation: Evaluation) -> dict[str, list[Row]]:
    """Return a row for every measure, by the question that it helps to answer."""
    checks = {check.metric: check for verdict in evaluation.verdicts for check in verdict.checks}
    criteria = {measure.name: measure.criterion for kind in registered_set_metrics() for measure in kind.measures}
    rows: dict[str, list[Row]] = {}
    for metric in evaluation.metrics:
        row = _row(metric, checks.get(metric.name), criteria.get(metric.name))
        rows.setdefault(metric.question, []).append(row)
    return rows


def build_class_rows(evaluation: Evaluation) -> list[Row]:
    """Return a row for every class: how much of it is covered."""
    thresholds = evaluation.thresholds
    good, bad = (thresholds.get(f"coverage_of_real_{name}") for name in ("good", "bad"))
    limits = None if good is None or bad is None else Limits(good, bad, higher=True)
    checks = [check for verdict in evaluation.verdicts for check in verdict.checks if check.metric == "class_coverage"]
    return [_class_row(row, limits, checks) for row in evaluation.per_class]


def judge_of(metric: Metric, check: Check | None, criterion: Criterion | None) -> Judge | None:
    """Return what other values of ``metric``, with its interval about them, would mean; None where it is not judged."""
    if check is None or criterion is None or metric.value is None:
        return None
    value = metric.value
    below, above = value.value - value.low, value.high - value.value

    def judge(x: float) -> Outcome:
        other = metric.model_copy(update={"value": Estimate(x, x - below, x + above)})
        return outcome_of(criterion.compared(other).value, check.good, check.bad, higher=metric.better == "higher")

    return judge


def build_strip(
    value: Estimate, real: Estimate | None, judge: Judge | None = None, *, also: Sequence[Estimate] = ()
) -> Strip:
    """Return the strip of a number.

    Args:
        value: the number.
        real: the same between real images.
        judge: what other values would mean.
        also: other numbers on the same scale.
    """
    shown = [value, *also, *([real] if real else [])]
    zones = find_zones(shown, judge) if judge else []
    scale = scale_of(shown, zones)
    return Strip(
        scale.place(value.value),
        scale.span(value.low, value.high),
        scale.place(real.value) if real else None,
        scale.span(real.low, real.high) if real else None,
        [scale.span(low, high, kind) for low, high, kind in zones],
    )


def scale_of(shown: Sequence[Estimate], zones: Sequence[tuple[float, float, str]]) -> Scale:
    """Return a scale that holds all numbers and every place where one zone ends."""
    ends = [end for estimate in shown for end in (estimate.low, estimate.value, estimate.high)]
    ends = [end for end in ends if np.isfinite(end)] + [high for _, high, _ in zones[:-1]]
    low, high = min(ends), max(ends)
    margin = _MARGIN * (high - low) or 0.05 * abs(high) or 0.05
    share = low >= 0 and high <= 1
    if low >= 0:  # of numbers that are never negative
        low = max(low - margin, -0.02 * (high - low))
    else:
        low -= margin
    return Scale(low, min(high + margin, 1 + 0.02 * (1 - low)) if share else high + margin)


def find_zones(shown: Sequence[Estimate], judge: Judge) -> list[tuple[float, float, str]]:
    """Return where each outcome begins and ends, by trying values around those that are shown."""
    ends = [end for estimate in shown for end in (estimate.low, estimate.value, estimate.high) if np.isfinite(end)]
    reach = max(max(ends) - min(ends), 1e-9)
    zones: list[tuple[float, float, str]] = []
    for _ in range(8):
        xs = np.linspace(min(ends) - reach, max(ends) + reach, _GRID)
        kinds = [judge(float(x)) for x in xs]
        cuts = [0, *(k for k in range(1, _GRID) if kinds[k] != kinds[k - 1]), _GRID - 1]
        zones = [(float(xs[a]), float(xs[b]), kinds[a]) for a, b in pairwise(cuts)]
        if {"good", "bad"} <= set(kinds):
            break
        reach *= 2
    return [
        (-np.inf if k == 0 else low, np.inf if k == len(zones) - 1 else high, kind)
        for k, (low, high, kind) in enumerate(zones)
    ]


def _row(metric: Metric, check: Check | None, criterion: Criterion | None) -> Row:
    strip = None
    if metric.value is not None and np.isfinite(metric.value.value):
        strip = build_strip(metric.value, metric.floor, judge_of(metric, check, criterion))
    return Row(
        metric.title,
        format_interval(metric.value, metric.unit),
        format_reference(metric.floor, metric.unit),
        check.outcome if check else None,
        strip,
        metric.better,
        metric.note,
        metric.refused,
        f"{metric.num_real} real, {metric.num_synthetic} synthetic",
        _explain(metric, check) if check else "",
    )


def _explain(metric: Metric, check: Check) -> str:
    """Return what the outcome rests on."""
    parts = [check.sentence] if check.sentence and not metric.refused else []
    if check.compared is not None:
        parts.append(
            f"compared with the thresholds: {format_number(check.compared)}; good {_side(metric)} "
            f"{format_number(check.good)}, bad {_side(metric, bad=True)} {format_number(check.bad)}"
        )
    if check.p_value is not None and check.outcome in ("look", "bad"):
        parts.append(f"p = {format_number(check.p_value)} before correction for several checks")
    if check.suffices:
        parts.append(f"about {check.suffices} subjects in each set would be enough")
    return "; ".join(parts)


def _side(metric: Metric, *, bad: bool = False) -> str:
    if metric.better == "higher":
        return "down to" if bad else "from"
    return "from" if bad else "up to"


def _class_row(row: ClassRow, limits: Limits | None, checks: Sequence[Check]) -> Row:
    """Return the row of a class; its outcome is that of its check, which only poorly covered classes have."""
    judge: Judge | None = None
    outcome: Outcome | None = None
    if limits is not None:
        floor = max(row.floor.value, 1e-6)
        judge = partial(_judge_share, limits, floor)
        own = [check.outcome for check in checks if f"class {row.name!r} " in check.sentence]
        unseen: Outcome = "good" if limits.outcome(ratio(row.coverage, row.floor)) == "good" else "unknown"
        outcome = own[0] if own else unseen
    count = "no labels" if row.num_synthetic is None else f"{row.num_synthetic} synthetic"
    return Row(
        row.name, format_interval(row.coverage, SHARE), format_reference(row.floor, SHARE), outcome,
        build_strip(row.coverage, row.floor, judge), "higher", counts=f"{row.num_real} real, {count}",
    )  # fmt: skip


def _judge_share(limits: Limits, floor: float, share: float) -> Outcome:
    return outcome_of(share / floor, limits.good, limits.bad, higher=True)
