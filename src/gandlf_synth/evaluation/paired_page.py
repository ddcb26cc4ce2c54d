"""A paired comparison as a page."""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from gandlf_synth.metrics.intervals import Estimate

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reconstructions</title><style>{{ style }}</style></head><body><main>
<h1>Reconstructions against originals</h1>
<p>{{ count }} pairs. Means over images with 95 % intervals by subject. Errors are in the units of the images.</p>
{% for note in notes %}<p>Note: {{ note }}</p>{% endfor %}
<table><thead><tr><th>metric</th><th>mean</th><th>95 % interval</th></tr></thead><tbody>
{% for name, value in metrics.items() %}
<tr><th scope="row">{{ name }}</th><td>{{ "%.4g"|format(value.value) }}</td>
<td>{{ "%.4g"|format(value.low) }} to {{ "%.4g"|format(value.high) }}</td></tr>
{% endfor %}</tbody></table>
{% if classes %}<h2>Per class</h2>
<table><thead><tr><th>class</th>{% for name in metrics %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for label, own in classes.items() %}
<tr><th scope="row">{{ label }}</th>{% for value in own.values() %}<td>{{ "%.4g"|format(value.value) }}</td>{% endfor %}
</tr>{% endfor %}</tbody></table>{% endif %}
<h2>The ten with the largest {{ metrics|first }}</h2>
<table><thead><tr><th>subject</th>{% for name in metrics %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for subject, own in worst %}
<tr><th scope="row">{{ subject }}</th>{% for value in own.values() %}<td>{{ "%.4g"|format(value) }}</td>{% endfor %}
</tr>
{% endfor %}</tbody></table>
</main></body></html>
"""


def paired_page(
    metrics: Mapping[str, Estimate],
    per_class: Mapping[str, Mapping[str, Estimate]],
    worst: Sequence[tuple[str, Mapping[str, float]]],
    count: int,
    notes: Sequence[str],
) -> str:
    """Return an HTML page that needs no network."""
    style = (files("gandlf_synth.evaluation.report") / "page" / "style.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_PAGE).render(
        metrics=metrics, classes=per_class, worst=worst, count=count, notes=notes,
        style=Markup(style),  # noqa: S704
    )  # fmt: skip
