"""A map of all images by their features, colored by class, with each image under the pointer."""

from html import escape

import numpy as np
from markupsafe import Markup

from gandlf_synth.evaluation.report.figures import Axes, data_range, figure
from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.evaluation.report.pictures import data_uri, mosaic, to_pixels
from gandlf_synth.evaluation.report.templates import render_part, short_path
from gandlf_synth.evaluation.store import Arrays

_COLUMNS = 30
_COLORS = 6
_SETS = ("real", "synthetic")


def map_panel(stored: StoredEvaluation) -> Panel:
    """Return the map; the classes beyond the largest few share one color."""
    arrays = stored.arrays
    method = str(arrays["map_method"])
    points = [arrays[f"map_{name}"] for name in _SETS]
    across, up = (data_range(*(part[:, axis] for part in points)) for axis in (0, 1))
    axes = Axes(across, up, "first axis", "second axis")
    classes = _classes(arrays)
    marks = [mark for name in _SETS for mark in _marks(axes, name, arrays, classes)]
    counts = f"{len(points[0])} real and {len(points[1])} synthetic images in two dimensions ({method})"
    content = render_part(
        "map.html",
        svg=figure(axes, marks, counts),
        classes=classes,
        sprites={name: _sprite(arrays, name) for name in _SETS},
    )
    return Panel(
        "Map of the features",
        f"Each mark is an image, a disc a real and a cross a synthetic one; near marks have similar features "
        f"({method}). Point at a mark, or use the arrow keys, to see its image.",
        "Discs and crosses are mixed everywhere.",
        "Crosses in a cluster of their own (unlike real), or regions with discs only (missing variety).",
        "Find out which images lie in regions without crosses; train longer, or give more such images.",
        content,
    )


def _classes(arrays: Arrays) -> dict[str, str]:
    """Return the color of each class; none where the images have no classes."""
    names, counts = np.unique(arrays["map_class_real"], return_counts=True)
    ordered = [str(name) for name in names[np.argsort(-counts, kind="stable")] if name]
    if len(ordered) < 2:
        return {}
    return {name: f"c{min(k, _COLORS - 1)}" for k, name in enumerate(ordered)}


def _marks(axes: Axes, name: str, arrays: Arrays, classes: dict[str, str]) -> list[str]:
    parts = []
    rows = zip(arrays[f"map_{name}"], arrays[f"map_class_{name}"], arrays[f"map_file_{name}"], strict=True)
    for k, (point, label, file) in enumerate(rows):
        x, y = axes.place(float(point[0]), float(point[1]))
        said = escape(f"{name} {label} {short_path(str(file))}".replace("  ", " "))
        common = f'class="point {name} {classes.get(str(label), "")}" data-k="{k}" data-set="{name}" data-name="{said}"'
        if name == "real":
            parts.append(f'<circle {common} cx="{x:.0f}" cy="{y:.0f}" r="3"/>')
        else:
            parts.append(f'<path {common} d="M{x - 3:.0f} {y - 3:.0f}l6 6m0-6l-6 6"/>')
    return parts


def _sprite(arrays: Arrays, name: str) -> dict[str, object]:
    tiles = [to_pixels(plane, max(plane.shape[-2:])) for plane in arrays[f"map_picture_{name}"]]
    rows, columns = tiles[0].shape[:2]
    return {"uri": Markup(data_uri(mosaic(tiles, _COLUMNS), "JPEG")), "rows": rows, "columns": columns, "across": _COLUMNS}  # fmt: skip  # noqa: E501, S704
