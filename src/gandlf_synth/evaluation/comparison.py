"""Evaluations side by side: which is better where, beyond its interval."""

from collections.abc import Sequence
from math import hypot
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Interval, Metric, Outcome, Question


class ComparedMeasure(BaseModel):
    """One measure of all evaluations.

    ``best`` are the evaluations that no other one beats; all of them where no difference is shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    question: Question
    better: Literal["lower", "higher", "middle"]
    unit: str
    values: dict[str, Interval]
    real: dict[str, Interval]
    """The same between real images."""
    outcomes: dict[str, Outcome]
    best: list[str]


class Comparison(BaseModel):
    """What several evaluations say of the same questions; ``comparison.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: list[str]
    cautions: list[str]
    """What keeps numbers from being compared."""
    verdicts: dict[str, dict[Question, Outcome]]
    measures: list[ComparedMeasure]

    def wins(self, name: str) -> int:
        """Return in how many measures one evaluation is better than every other beyond the intervals."""
        return sum(measure.best == [name] for measure in self.measures)


def compare_evaluations(evaluations: dict[str, Evaluation]) -> Comparison:
    """Return the evaluations side by side.

    Args:
        evaluations: by the names that they are shown with, in their order.
    """
    found = {name: {metric.name: metric for metric in one.metrics} for name, one in evaluations.items()}
    order = {metric.name: None for one in evaluations.values() for metric in one.metrics}
    measures = [
        _compared(evaluations, {run: metrics[name] for run, metrics in found.items() if name in metrics})
        for name in order
    ]
    return Comparison(
        names=list(evaluations),
        cautions=_cautions(evaluations),
        verdicts={
            run: {verdict.question: verdict.outcome for verdict in one.verdicts} for run, one in evaluations.items()
        },
        measures=[measure for measure in measures if measure.values],
    )


def best_of(values: dict[str, Estimate], worse: dict[str, float]) -> list[str]:
    """Return the evaluations that no other beats beyond the interval of their difference.

    The intervals are taken for independent ones, so that the half-width of a difference is the root of the sum of
    squares. Evaluations against the same real images vary together, which makes this careful.

    Args:
        values: the numbers.
        worse: of each, how bad it is, in the unit of the numbers.

    >>> numbers = {"a": Estimate(1.0, 0.9, 1.1), "b": Estimate(1.1, 1.0, 1.2), "c": Estimate(2.0, 1.9, 2.1)}
    >>> best_of(numbers, {name: number.value for name, number in numbers.items()})
    ['a', 'b']
    """
    return [
        name
        for name, value in values.items()
        if not any(worse[name] - worse[other] > hypot(value.spread, values[other].spread) for other in values)
    ]


def _compared(evaluations: dict[str, Evaluation], metrics: dict[str, Metric]) -> ComparedMeasure:
    first = next(iter(metrics.values()))
    values = {run: metric.value for run, metric in metrics.items() if metric.value is not None}
    real = {run: metric.floor for run, metric in metrics.items() if metric.floor is not None}
    worse = {run: _badness(metrics[run]) for run in values}
    checks = {
        run: check.outcome
        for run in values
        for verdict in evaluations[run].verdicts
        for check in verdict.checks
        if check.metric == first.name
    }
    return ComparedMeasure(
        name=first.name, title=first.title, question=first.question, better=first.better, unit=first.unit,
        values=values, real=real, outcomes=checks, best=best_of(values, worse),
    )  # fmt: skip


def _badness(metric: Metric) -> float:
    """Return how bad a number is; none is better than that of real images, but for how much a classifier learns."""
    value = metric.value.value if metric.value else float("nan")
    floor = metric.floor.value if metric.floor and metric.question != "useful" else None
    if metric.better == "middle":
        return abs(value - (metric.floor.value if metric.floor else 0.0))
    if metric.better == "lower":
        return value if floor is None else max(value, floor)
    return -value if floor is None else -min(value, floor)


def _cautions(evaluations: dict[str, Evaluation]) -> list[str]:
    runs = list(evaluations.values())
    cautions = []
    if len({str(one.inputs["real"]["content_digest"]) for one in runs}) > 1:
        cautions.append("the real images differ between the evaluations: compare with the same ones")
    if len({str(one.inputs.get("train", {}).get("content_digest")) for one in runs}) > 1:
        cautions.append("the training images differ, or were not given to all: do not compare the search for copies")
    if len({str(one.extractor["weights_sha256"]) for one in runs}) > 1:
        cautions.append("the feature extractors differ: their distances are not in one unit")
    if len({(str(one.comparison["resize_rule"]), str(one.comparison["intensity_rule"])) for one in runs}) > 1:
        cautions.append("the images were brought to different sizes or ranges of intensities")
    cautions += _counts(list(evaluations), runs)
    cautions += [f"{name}: {text}" for name, one in evaluations.items() for text in one.warnings]
    return cautions


def _counts(names: Sequence[str], runs: Sequence[Evaluation]) -> list[str]:
    counts = [one.inputs["synthetic"]["images"] for one in runs]
    if len(set(map(str, counts))) == 1:
        return []
    told = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
    return [f"the numbers of synthetic images differ ({told}): some measures depend on it"]
