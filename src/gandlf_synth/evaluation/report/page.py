"""An evaluation as one HTML file that needs no network."""

import json
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gandlf_synth.evaluation.gallery import Arrays
from gandlf_synth.evaluation.report.panels import panels
from gandlf_synth.evaluation.results import Evaluation, Interval
from gandlf_synth.evaluation.verdict import title

OUTCOMES = {"good": "good", "look": "look closer", "bad": "bad", "unknown": "not known"}


def page(evaluation: Evaluation, arrays: Arrays) -> str:
    """Return the page."""
    folder = files(__package__) / "page"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    environment.filters["interval"] = interval
    template = environment.from_string((folder / "report.html").read_text(encoding="utf-8"))
    return template.render(
        evaluation=evaluation,
        panels=panels(evaluation, arrays),
        outcomes=OUTCOMES,
        title=title,
        style=Markup((folder / "style.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup((folder / "script.js").read_text(encoding="utf-8")),  # noqa: S704
        record=json.dumps(evaluation.run_record, indent=2) if evaluation.run_record else "",
    )


def number(value: float | None) -> str:
    """Return a number in three significant digits."""
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def interval(value: Interval | None) -> str:
    """Return a number with its interval."""
    return "" if value is None else f"{number(value.value)} ({number(value.low)} to {number(value.high)})"
