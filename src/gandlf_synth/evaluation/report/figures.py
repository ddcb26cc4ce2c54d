"""Figures as inline SVG in the colors of the page (light, dark, print), and images as data in the page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image as Picture

from gandlf_synth.metrics.intervals import Floats

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 44
_TICKS = 5
_RGB = 3
_GAP = 3
_SMALLEST = 144
_LARGEST = 128


@dataclass(frozen=True)
class Axes:
    """A plotting area with a linear scale on each axis.

    Args:
        x: lowest and highest value.
        y: lowest and highest value.
        x_title: under the axis.
        y_title: beside the axis.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_title: str
    y_title: str

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies in the picture."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return _LEFT + across * (WIDTH - _LEFT - _RIGHT), HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM)

    def path(self, xs: Floats, ys: Floats) -> str:
        """Return the points as SVG writes them."""
        return " ".join("{:.1f},{:.1f}".format(*self.place(float(x), float(y))) for x, y in zip(xs, ys, strict=True))

    def drawn(self) -> str:
        """Return axis lines, ticks and titles."""
        left, bottom = self.place(self.x[0], self.y[0])
        right, top = self.place(self.x[1], self.y[1])
        parts = [f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>']
        for value in _ticks(*self.x):
            across, _ = self.place(value, self.y[0])
            parts.append(f'<text x="{across:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{value:g}</text>')
        for value in _ticks(*self.y):
            _, up = self.place(self.x[0], value)
            parts.append(f'<text x="{left - 6:.1f}" y="{up + 4:.1f}" text-anchor="end">{value:g}</text>')
        middle = (top + bottom) / 2
        parts.append(
            f'<text x="{(left + right) / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(self.x_title)}</text>'
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
    body = axes.drawn() + "".join(content)
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">{body}</svg>'
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


def scatter(axes: Axes, sets: dict[str, Floats]) -> list[str]:
    """Return points ``(n, 2)``: discs for real images, crosses for synthetic ones."""
    parts = []
    for name, points in sets.items():
        for x, y in points:
            across, up = axes.place(float(x), float(y))
            if name == "real":
                parts.append(f'<circle class="point real" cx="{across:.0f}" cy="{up:.0f}" r="2.6"/>')
            else:
                parts.append(f'<path class="point {name}" d="M{across - 3:.0f} {up - 3:.0f}l6 6m0-6l-6 6"/>')
    return parts


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


def data_uri(pixels: Pixels) -> Markup:
    """Return ``(rows, columns)`` or ``(rows, columns, 3)`` as a PNG in a ``data:`` address."""
    buffer = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return Markup(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")  # noqa: S704


def to_picture(plane: Pixels) -> Pixels:
    """Return ``(channels, rows, columns)`` as one picture: grey, RGB, or the channels side by side, in a handy size."""
    pixels = plane.transpose(1, 2, 0) if len(plane) == _RGB else np.concatenate(list(plane), axis=1)
    longest = max(plane.shape[-2:])
    scale = _LARGEST / longest if longest > _LARGEST else max(1, _SMALLEST // longest)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Picture.Resampling.NEAREST if scale >= 1 else Picture.Resampling.LANCZOS
    return np.asarray(Picture.fromarray(np.ascontiguousarray(pixels)).resize(size, how))


def mosaic(planes: Pixels, columns: int) -> Pixels:
    """Return ``(n, channels, rows, columns)`` as one picture with ``columns`` tiles a row."""
    tiles = [to_picture(plane) for plane in planes]
    rows, across = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    size = (lines * (rows + _GAP) - _GAP, min(columns, len(tiles)) * (across + _GAP) - _GAP, *tiles[0].shape[2:])
    sheet = np.full(size, 127, dtype=np.uint8)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (rows + _GAP), k % columns * (across + _GAP)
        sheet[top : top + rows, left : left + across] = tile
    return sheet
