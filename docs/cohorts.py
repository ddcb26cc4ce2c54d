"""How many images are needed: a table and curves of what ``python -m benchmarks.cohort_size`` has measured."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "cohort_size.json"
_TITLES = {
    "pneumonia": "Chest radiographs, 32×32",
    "hippocampus_planes": "Hippocampi, one plane of each, 32×32",
    "hippocampus": "Hippocampi, 32×32×32",
}
_COLUMNS = {
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "copies": "like a training image",
    "membership": "attack",
}
_CURVES = {"kid": "KID", "copies": "share like a training image", "membership": "attack: 0.5 is a coin"}
_WIDTH, _HEIGHT = 210, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 204, 26, 138
_ROOM = 1.15
_COLOR = "var(--md-typeset-a-color)"
Point = Mapping[str, Any]


def cohorts() -> str:
    """Return curves and a table for each data set."""
    points = json.loads(_RESULTS.read_text(encoding="utf-8"))["points"]
    return "\n\n".join(
        "\n\n".join((f"## {title}", _training(mine), _curves(mine), _table(mine)))
        for name, title in _TITLES.items()
        if (mine := sorted((one for one in points if one["data"] == name), key=_order))
    )


def _order(point: Point) -> tuple[int, int]:
    return point["subjects"], point["seed"]


def _training(points: Sequence[Point]) -> str:
    first = points[0]
    shared = f"{first['steps']} steps of {first['batch']} images, {first['images']} images of each model against "
    return f"{shared}{first['held_out']} real ones of others, {first['device']}."


def _table(points: Sequence[Point]) -> str:
    lines = [f"| subjects | {' | '.join(_COLUMNS.values())} |", "|---" * (1 + len(_COLUMNS)) + "|"]
    several = len({one["seed"] for one in points}) > 1
    for one in points:
        seed = f", seed {one['seed']}" if several else ""
        lines.append(_row(f"{one['subjects']}{seed}", one["numbers"], "value"))
    return "\n".join([*lines, _row("real against real", points[-1]["numbers"], "real against real")])


def _row(title: str, numbers: Mapping[str, Any], part: str) -> str:
    cells = [_number(*numbers[name][part]) if name in numbers else "–" for name in _COLUMNS]
    return f"| {title} | {' | '.join(cells)} |"


def _number(value: float, low: float, high: float) -> str:
    digits = 3 if max(abs(low), abs(high)) < 0.2 else 2
    middle, first, last = (f"{round(number, digits) + 0.0:.{digits}f}" for number in (value, low, high))
    return f"{middle} ({first} to {last})"


def _curves(points: Sequence[Point]) -> str:
    drawn = "".join(_curve(points, name, title) for name, title in _CURVES.items())
    return f'<div style="display: flex; flex-wrap: wrap; gap: 4px">{drawn}</div>'


def _curve(points: Sequence[Point], name: str, title: str) -> str:
    """Return an SVG of a number against the number of subjects, both with their intervals."""
    known = [(one["subjects"], one["numbers"][name]) for one in points if name in one["numbers"]]
    if not known:
        return ""
    real = known[-1][1]["real against real"][0]
    least = min(0.5, *(numbers["value"][1] for _, numbers in known)) if name == "membership" else 0.0
    most = max(real, *(numbers["value"][2] for _, numbers in known))
    most = least + _ROOM * (most - least)
    counts = sorted({count for count, _ in known})

    def across(count: int) -> float:
        share = log(count / counts[0]) / log(counts[-1] / counts[0])
        return _LEFT + 14 + (_RIGHT - _LEFT - 28) * share

    def up(value: float) -> float:
        share: float = (max(value, least) - least) / (most - least)
        return _BOTTOM - (_BOTTOM - _TOP) * share

    parts = [
        *_axes((least, most), up),
        f'<path d="M{_LEFT} {up(real):.1f}H{_RIGHT}" stroke="currentColor" stroke-dasharray="4 3" opacity="0.6"/>',
        *(_text(across(count), _BOTTOM + 14, str(count), "middle") for count in counts),
        _text((_LEFT + _RIGHT) / 2, _HEIGHT - 4, "subjects", "middle"),
        _text(_LEFT, 14, title, "start"),
    ]
    for count, numbers in known:
        value, low, high = numbers["value"]
        parts.append(f'<path d="M{across(count):.1f} {up(low):.1f}V{up(high):.1f}" stroke="{_COLOR}"/>')
        parts.append(f'<circle cx="{across(count):.1f}" cy="{up(value):.1f}" r="3.5" fill="{_COLOR}"/>')
    label = escape(f"{title} against the number of subjects; dashed: real images")
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{label}" font-size="11">{"".join(parts)}</svg>'


def _axes(span: tuple[float, float], up: Any) -> Iterator[str]:
    yield f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="currentColor" opacity="0.5"/>'
    for share in (0, 0.5, 1):
        value = span[0] + share * (span[1] - span[0]) / _ROOM
        yield _text(_LEFT - 4, up(value) + 4, f"{value:.2f}" if span[1] > 0.1 else f"{value:.3f}", "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(text)}</text>'
