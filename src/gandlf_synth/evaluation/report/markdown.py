"""An evaluation as Markdown."""

from gandlf_synth.evaluation.report.page import OUTCOMES, interval
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.verdict import title


def markdown(evaluation: Evaluation) -> str:
    """Return verdicts, numbers and notes, without pictures."""
    lines = ["# Evaluation of synthetic images", ""]
    lines += [f"- **{title(v.question)}** ({OUTCOMES[v.outcome]}) {v.sentence}" for v in evaluation.verdicts]
    lines += [
        "",
        "| measure | value (95 % interval) | floor: real against real | n real / synthetic |",
        "|---|---|---|---|",
    ]
    for metric in evaluation.metrics:
        value = f"refused: {metric.refused}" if metric.refused else f"{interval(metric.value)} {metric.unit}".strip()
        counts = f"{metric.num_real} / {metric.num_synthetic}"
        lines.append(f"| {metric.title} | {value} | {interval(metric.floor)} | {counts} |")
    if evaluation.per_class:
        lines += ["", "| class | real | synthetic | covered | floor |", "|---|---|---|---|---|"]
        for row in evaluation.per_class:
            count = "no labels" if row.num_synthetic is None else row.num_synthetic
            values = f"{interval(row.coverage)} | {interval(row.floor)}"
            lines.append(f"| {row.name} | {row.num_real} | {count} | {values} |")
    lines += ["", *(f"- {note}" for note in evaluation.notes)]
    extractor = evaluation.extractor
    lines += [
        "",
        f"Features: {extractor['name']}, weights SHA-256 `{extractor['weights_sha256']}`; {extractor['resize_rule']}. "
        f"Images: {evaluation.comparison['resize_rule']}; {evaluation.comparison['intensity_rule']}.",
    ]
    return "\n".join(lines) + "\n"
