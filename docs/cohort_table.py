"""The table of how many images are needed, from what ``python -m benchmarks.cohort_size`` has measured."""

import json
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "cohort_size_cpu.json"
_COLUMNS = {
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "copies": "like a training image",
    "membership": "attack",
}


def cohort_table() -> str:
    """Return a row per number of subjects, with 95 % intervals, and one of real images."""
    cohorts = sorted(json.loads(_RESULTS.read_text(encoding="utf-8"))["cohorts"], key=lambda one: one["subjects"])
    lines = [f"| subjects | {' | '.join(_COLUMNS.values())} |", "|---" * (1 + len(_COLUMNS)) + "|"]
    lines += [_row(str(one["subjects"]), one["numbers"], "value") for one in cohorts]
    return "\n".join([*lines, _row("real against real", cohorts[-1]["numbers"], "real against real")])


def _row(title: str, numbers: dict[str, Any], part: str) -> str:
    cells = [_number(*numbers[name][part]) if name in numbers else "–" for name in _COLUMNS]
    return f"| {title} | {' | '.join(cells)} |"


def _number(value: float, low: float, high: float) -> str:
    digits = 3 if max(abs(low), abs(high)) < 0.2 else 2
    middle, first, last = (f"{round(number, digits) + 0.0:.{digits}f}" for number in (value, low, high))
    return f"{middle} ({first} to {last})"
