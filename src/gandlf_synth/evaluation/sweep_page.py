"""The sweep as a page: a curve per sampler and the table."""

from collections.abc import Sequence

import numpy as np
from jinja2 import Environment, select_autoescape

from gandlf_synth.evaluation.report.svg import Axes, Floats, figure, lines
from gandlf_synth.evaluation.setting import Setting

_COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2")
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Samplers</title>
<style>
body { font: 16px system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: right; } tr.best { font-weight: bold; }
svg { width: 100%; } svg text { font-size: 11px; } .axis { fill: none; stroke: #888; }
.line { fill: none; stroke-width: 2; }
{% for name, colour in colours.items() %}.{{ name }} { stroke: {{ colour }}; color: {{ colour }}; } {% endfor %}
</style>
<h1>Samplers of {{ model }}</h1>
<p>{{ text }}</p>
{{ picture }}
<p>{% for name in colours %}<span class="{{ name }}">■ {{ name }}</span> {% endfor %}</p>
<table>
<tr><th>sampler</th><th>steps</th><th>KID</th><th>95 % interval</th><th>density</th><th>coverage</th>
<th>s/image</th></tr>
{% for each in settings %}<tr{% if each == best %} class="best"{% endif %}>
<td>{{ each.sampler }}</td><td>{{ each.num_inference_steps }}</td><td>{{ "%.4f"|format(each.kid) }}</td>
<td>{{ "%.4f"|format(each.kid_low) }} to {{ "%.4f"|format(each.kid_high) }}</td>
<td>{{ "%.2f"|format(each.density) }}</td>
<td>{{ "%.2f"|format(each.coverage) }}</td><td>{{ "%.3f"|format(each.seconds_per_image) }}</td></tr>
{% endfor %}</table>
</html>
"""


def sweep_page(settings: Sequence[Setting], best: Setting, model: str, text: str) -> str:
    """Return an HTML page.

    Args:
        settings: what was measured.
        best: the one that the model will use.
        model: its name.
        text: what the numbers are of.
    """
    names = list(dict.fromkeys(each.sampler for each in settings))
    kids = [each.kid for each in settings]
    most = max(each.num_inference_steps for each in settings)
    axes = Axes((0.0, float(most)), (min(0.0, *kids), max(kids)), "steps", "KID")
    curves = {name: _curve(settings, name) for name in names}
    environment = Environment(autoescape=select_autoescape(default_for_string=True))
    return environment.from_string(_PAGE).render(
        settings=settings, best=best, model=model, text=text, colours=dict(zip(names, _COLOURS, strict=False)),
        picture=figure(axes, lines(axes, curves), f"kernel distance against steps for {', '.join(names)}"),
    )  # fmt: skip


def _curve(settings: Sequence[Setting], name: str) -> tuple[Floats, Floats]:
    own = sorted((each for each in settings if each.sampler == name), key=lambda each: each.num_inference_steps)
    return np.array([float(each.num_inference_steps) for each in own]), np.array([each.kid for each in own])
