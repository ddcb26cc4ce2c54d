"""Figures as inline SVG in the colors of the page (light, dark, print), each with a text that says what it shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup

from gandlf_synth.metrics.intervals import Floats

WIDTH, HEIGHT = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 44
_TICKS = 5
_NAMES, _ROW = 164, 26
"""Of box plots: room for the names of the rows, and the height of a row."""


@dataclass(frozen=True)
class Axes:
    """A plotting area with a linear scale on each axis.

    Args:
        x: lowest and highest value.
        y: lowest and highest value.
        x_title: under the axis.
        y_title: beside the axis.
        left: room for what stands beside the axis.
        height: of the picture.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_title: str
    y_title: str
    left: int = _LEFT
    height: int = HEIGHT

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        high = self.height - _TOP - _BOTTOM
        return self.left + across * (WIDTH - self.left - _RIGHT), self.height - _BOTTOM - up * high

    def path(self, xs: Floats, ys: Floats) -> str:
        """Return the points as SVG writes them."""
        return " ".join("{:.1f},{:.1f}".format(*self.place(float(x), float(y))) for x, y in zip(xs, ys, strict=True))

    def drawn(self, *, y_ticks: bool = True) -> str:
        """Return axis lines, ticks and titles."""
        left, bottom = self.place(self.x[0], self.y[0])
        right, top = self.place(self.x[1], self.y[1])
        parts = [f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>']
        for value in _ticks(*self.x):
            across, _ = self.place(value, self.y[0])
            parts.append(f'<text x="{across:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{value:g}</text>')
        for value in _ticks(*self.y) if y_ticks else ():
            _, up = self.place(self.x[0], value)
            parts.append(f'<text x="{left - 6:.1f}" y="{up + 4:.1f}" text-anchor="end">{value:g}</text>')
        middle, center = (top + bottom) / 2, (left + right) / 2
        parts.append(
            f'<text x="{center:.1f}" y="{self.height - 6}" text-anchor="middle">{escape(self.x_title)}</text>'
            f'<text x="12" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 12 {middle:.1f})">'
            f"{escape(self.y_title)}</text>"
        )
        return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    step = 10 ** math.floor(math.log10(span / _TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= _TICKS)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def figure(axes: Axes, content: Sequence[str], description: str) -> Markup:
    """Return an SVG with a text for those who do not see it."""
    return _svg(axes.drawn() + "".join(content), description, axes.height)


def _svg(body: str, description: str, height: int) -> Markup:
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(description)}">{body}</svg>'
    )


def bands(axes: Axes, x: Floats, sets: dict[str, Floats]) -> list[str]:
    """Return medians as lines with bands around them; each set is ``(low, middle, high)`` by ``len(x)``."""
    parts = []
    for name, (low, middle, high) in sets.items():
        outline = axes.path(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))
        parts.append(f'<polygon class="band {name}" points="{outline}"/>')
        parts.append(f'<polyline class="line {name}" points="{axes.path(x, middle)}"/>')
    return parts


def lines(axes: Axes, sets: dict[str, tuple[Floats, Floats]]) -> list[str]:
    """Return lines; each set is (x, y)."""
    return [f'<polyline class="line {name}" points="{axes.path(x, y)}"/>' for name, (x, y) in sets.items()]


def steps(values: Floats) -> tuple[Floats, Floats]:
    """Return the empirical distribution of ``values`` as a line: sorted values, and the share up to each."""
    ordered = np.sort(values)
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    return np.repeat(ordered, 2)[1:], np.repeat(shares, 2)[:-1]


def boxes(sets: dict[str, Floats], names: Sequence[str], x_title: str, description: str) -> Markup:
    """Return one row of box plots per name, one box per set.

    Args:
        sets: per set, the 5th, 25th, 50th, 75th and 95th percentile of each name, ``(5, len(names))``.
        names: of the rows.
        x_title: under the axis.
        description: for those who do not see the figure.
    """
    low, high = data_range(*sets.values())
    axes = Axes((low, high), (0, 1), x_title, "", left=_NAMES, height=_TOP + _BOTTOM + _ROW * len(names))
    parts = [axes.drawn(y_ticks=False)]
    for row, name in enumerate(names):
        middle = _TOP + _ROW * (row + 0.5)
        parts.append(f'<text x="{_NAMES - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        for k, (kind, values) in enumerate(sets.items()):
            ends = [axes.place(float(value), 0)[0] for value in values[:, row]]
            parts.append(_box(ends, middle + (k - 0.5) * _ROW * 0.42, kind))
    return _svg("".join(parts), description, axes.height)


def _box(ends: Sequence[float], y: float, kind: str) -> str:
    first, left, middle, right, last = ends
    return (
        f'<path class="line {kind}" d="M{first:.1f} {y:.1f}H{left:.1f}M{right:.1f} {y:.1f}H{last:.1f}"/>'
        f'<rect class="box {kind}" x="{left:.1f}" y="{y - 4:.1f}" width="{max(right - left, 0.5):.1f}" height="8"/>'
        f'<path class="line {kind} solid" d="M{middle:.1f} {y - 5:.1f}v10"/>'
    )


def data_range(*values: Floats) -> tuple[float, float]:
    """Return the lowest and highest of all values, with a margin."""
    every = np.concatenate([np.ravel(value) for value in values])
    low, high = float(every.min()), float(every.max())
    margin = (high - low) * 0.05 or 1.0
    return low - margin, high + margin


def legend(real: str = "real", synthetic: str = "synthetic") -> Markup:
    """Return which line is which."""
    return Markup('<p class="key"><span class="real">{}</span> <span class="synthetic">{}</span></p>').format(
        real, synthetic
    )


def mark(axes: Axes, x: float, label: str) -> str:
    """Return a vertical line with a label."""
    across, bottom = axes.place(x, axes.y[0])
    _, top = axes.place(x, axes.y[1])
    anchor = "end" if across > WIDTH / 2 else "start"
    shift = -4 if anchor == "end" else 4
    return (
        f'<path class="mark" d="M{across:.1f} {bottom:.1f}V{top:.1f}"/>'
        f'<text x="{across + shift:.1f}" y="{top + 12:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
    )
