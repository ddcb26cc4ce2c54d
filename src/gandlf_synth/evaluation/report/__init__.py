"""An evaluation as one HTML file that needs no network, or as Markdown."""

import json

from gandlf_synth.evaluation.report.panels import build_panels
from gandlf_synth.evaluation.report.templates import format_interval, load_template, page_file
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.evaluation.verdict import question_title

_OUTCOMES = {"good": "good", "look": "look closer", "bad": "bad", "unknown": "not known"}


def render_page(evaluation: Evaluation, arrays: Arrays) -> str:
    """Return the HTML page."""
    return load_template("report.html").render(
        evaluation=evaluation,
        panels=build_panels(evaluation, arrays),
        outcomes=_OUTCOMES,
        title=question_title,
        style=page_file("style.css"),
        script=page_file("script.js"),
        record=json.dumps(evaluation.run_record, indent=2) if evaluation.run_record else "",
    )


def render_markdown(evaluation: Evaluation) -> str:
    """Return verdicts, numbers and notes, without pictures."""
    lines = ["# Evaluation of synthetic images", "", *(f"> {warning}\n" for warning in evaluation.warnings)]
    for verdict in evaluation.verdicts:
        question = question_title(verdict.question)
        lines.append(f"- **{question}** ({_OUTCOMES[verdict.outcome]}) {verdict.sentence}")
    lines += [
        "",
        "| measure | value (95 % interval) | floor: real against real | n real / synthetic |",
        "|---|---|---|---|",
    ]
    for metric in evaluation.metrics:
        value = (
            f"refused: {metric.refused}" if metric.refused else f"{format_interval(metric.value)} {metric.unit}".strip()
        )
        counts = f"{metric.num_real} / {metric.num_synthetic}"
        lines.append(f"| {metric.title} | {value} | {format_interval(metric.floor)} | {counts} |")
    if evaluation.per_class:
        lines += ["", "| class | real | synthetic | covered | floor |", "|---|---|---|---|---|"]
        for row in evaluation.per_class:
            count = "no labels" if row.num_synthetic is None else row.num_synthetic
            values = f"{format_interval(row.coverage)} | {format_interval(row.floor)}"
            lines.append(f"| {row.name} | {row.num_real} | {count} | {values} |")
    lines += ["", *(f"- {note}" for note in evaluation.notes)]
    extractor = evaluation.extractor
    lines += [
        "",
        f"Features: {extractor['name']}, weights SHA-256 `{extractor['weights_sha256']}`; {extractor['resize_rule']}. "
        f"Images: {evaluation.comparison['resize_rule']}; {evaluation.comparison['intensity_rule']}.",
    ]
    return "\n".join(lines) + "\n"
