"""An evaluation as one HTML file that needs no network, as PDF, or as Markdown."""

import json

from gandlf_synth.evaluation.report.methods import write_methods
from gandlf_synth.evaluation.report.panels import build_panels
from gandlf_synth.evaluation.report.panels.nearest_training import render_pairs
from gandlf_synth.evaluation.report.panels.panel import StoredEvaluation
from gandlf_synth.evaluation.report.strips import build_class_rows, build_rows
from gandlf_synth.evaluation.report.templates import load_template
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.evaluation.verdict import question_title
from gandlf_synth.metrics.results import Outcome

OUTCOMES: dict[Outcome, str] = {"good": "good", "look": "look closer", "bad": "bad", "unknown": "not known"}


def render_page(evaluation: Evaluation, arrays: Arrays) -> str:
    """Return the HTML page."""
    stored = StoredEvaluation(evaluation, arrays)
    return load_template("report.html").render(
        evaluation=evaluation,
        rows=build_rows(evaluation),
        classes=build_class_rows(evaluation),
        flagged=render_pairs(stored, flagged=True),
        panels=build_panels(stored),
        methods=write_methods(evaluation),
        outcomes=OUTCOMES,
        title=question_title,
        record=json.dumps(evaluation.run_record, indent=2) if evaluation.run_record else "",
    )


def render_markdown(evaluation: Evaluation) -> str:
    """Return verdicts, numbers, cautions and methods, without pictures."""
    return load_template("report.md").render(
        evaluation=evaluation,
        rows=build_rows(evaluation),
        classes=build_class_rows(evaluation),
        methods=write_methods(evaluation),
        outcomes=OUTCOMES,
        title=question_title,
    )
