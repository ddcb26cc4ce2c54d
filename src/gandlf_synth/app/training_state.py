"""What a training has written so far: its curves, its sample grids and its last lines; it may be running."""

import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gandlf_synth.model_folder import ModelFolder

_MOST_POINTS = 500
_MOST_LINES = 12
_TAIL = 8192
_NO_CURVE = {"step", "epoch"}


def describe_training(folder: ModelFolder) -> dict[str, Any]:
    """Return the state of the newest stage of a training as JSON; ``grids`` are names of pictures, the newest first."""
    stage = newest_stage(folder)
    written = [path.stat().st_mtime for path in (stage.log_file, *_logs(stage), *_grids(stage)) if path.is_file()]
    return {
        "stage": "first stage" if stage != folder else "",
        "silent_for": round(max(0.0, time.time() - max(written)), 1) if written else None,
        "curves": _curves(stage),
        "grids": [path.name for path in _grids(stage)],
        "lines": _last_lines(stage.log_file),
    }


def newest_stage(folder: ModelFolder) -> ModelFolder:
    """Return the stage that writes at present: the first one until the model itself has logs."""
    first = folder.first_stage
    return first if not _logs(folder) and _logs(first) else folder


def grid_file(folder: ModelFolder, name: str) -> Path | None:
    """Return the grid of that name, or None where there is none."""
    return next((path for path in _grids(newest_stage(folder)) if path.name == name), None)


def _logs(folder: ModelFolder) -> list[Path]:
    return sorted(folder.logs.rglob("metrics.csv"))


def _grids(folder: ModelFolder) -> list[Path]:
    return sorted(folder.eval_images.glob("*.png"), reverse=True)


def _curves(folder: ModelFolder) -> list[dict[str, Any]]:
    """Return each number that was logged, as steps and values."""
    points: dict[str, list[tuple[float, float]]] = {}
    for path in _logs(folder):
        for step, name, value in _logged(path):
            points.setdefault(name, []).append((step, value))
    return [{"name": name, "points": _thinned(values)} for name, values in sorted(points.items())]


def _logged(path: Path) -> Iterator[tuple[float, str, float]]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                step, value = _number(row.get("step")), _number(text)
                if isinstance(name, str) and name not in _NO_CURVE and step is not None and value is not None:
                    yield step, name, value


def _number(text: object) -> float | None:
    """Return a finite number; a line may be half written."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = max(1, math.ceil(len(points) / _MOST_POINTS))
    return [*points[:-1:every], *points[-1:]]


def _last_lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace").splitlines()[-_MOST_LINES:]
