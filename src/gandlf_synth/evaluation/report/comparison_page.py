"""A comparison of evaluations as one page, or as Markdown: one strip per measure, a mark per evaluation."""

from dataclasses import dataclass
from string import ascii_uppercase

from gandlf_synth.evaluation.comparison import ComparedMeasure, Comparison
from gandlf_synth.evaluation.report.strips import Judge, Strip, build_strip, judge_of
from gandlf_synth.evaluation.report.templates import format_interval, load_template
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.verdict import question_title
from gandlf_synth.metrics.results import Outcome, Question
from gandlf_synth.metrics.set_metric import registered_set_metrics

OUTCOMES: dict[Outcome, str] = {"good": "good", "look": "look closer", "bad": "bad", "unknown": "not known"}


@dataclass(frozen=True)
class ComparedRow:
    """A measure as the page shows it.

    Args:
        measure: its numbers.
        strips: of each evaluation, all on one scale.
        values: the same in words.
        best: which is better, in words.
    """

    measure: ComparedMeasure
    strips: dict[str, Strip]
    values: dict[str, str]
    best: str


def render_comparison(comparison: Comparison, evaluations: dict[str, Evaluation], form: str) -> str:
    """Return the page (``html``) or the table (``md``)."""
    criteria = {measure.name: measure.criterion for kind in registered_set_metrics() for measure in kind.measures}
    rows: dict[Question, list[ComparedRow]] = {}
    for measure in comparison.measures:
        first = evaluations[next(iter(measure.values))]
        checks = {check.metric: check for verdict in first.verdicts for check in verdict.checks}
        metric = first.metric(measure.name)
        judge = judge_of(metric, checks.get(measure.name), criteria.get(measure.name)) if metric else None
        rows.setdefault(measure.question, []).append(_row(measure, judge))
    return load_template(f"comparison.{form}").render(
        comparison=comparison,
        evaluations=evaluations,
        rows=rows,
        outcomes=OUTCOMES,
        title=question_title,
        letters={name: _letter(place) for place, name in enumerate(comparison.names)},
    )


def _letter(place: int) -> str:
    """Return the mark of an evaluation.

    >>> _letter(0), _letter(27)
    ('A', 'B2')
    """
    rounds, letter = divmod(place, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(rounds + 1) if rounds else "")


def _row(measure: ComparedMeasure, judge: Judge | None) -> ComparedRow:
    real = next(iter(measure.real.values()), None)
    shown = list(measure.values.values())
    return ComparedRow(
        measure,
        {run: build_strip(value, real, judge, also=shown) for run, value in measure.values.items()},
        {run: format_interval(value, measure.unit) for run, value in measure.values.items()},
        _best(measure),
    )


def _best(measure: ComparedMeasure) -> str:
    if len(measure.values) < 2:
        return "only one has it"
    if len(measure.best) == len(measure.values):
        return "no difference shown"
    return f"better: {' and '.join(measure.best)}"
