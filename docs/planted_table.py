"""The table of planted flaws, from what ``python -m tests.reliability.planted`` has measured."""

import json
from pathlib import Path
from typing import Any

_RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "planted_flaws.json"
_NOT_MEASURED = "–"


def planted_table() -> str:
    """Return a row per flaw: what the first version said of it in each set, and what is said now."""
    record = json.loads(_RESULTS.read_text(encoding="utf-8"))
    sets = list(record["sets"])
    before, now = ({(one["flaw"], one["real_set"]): one for one in record[part]} for part in ("before", "findings"))
    lines = [f"| flaw | {' | '.join(f'{name} before | now' for name in sets)} |", "|---" * (1 + 2 * len(sets)) + "|"]
    for flaw in dict.fromkeys(flaw for flaw, _ in now):
        cells = [_cell(part.get((flaw, name))) for name in sets for part in (before, now)]
        lines.append(f"| {flaw} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_false_alarms(record["nulls"])])


def _cell(finding: dict[str, Any] | None) -> str:
    if finding is None:
        return _NOT_MEASURED
    said = "**named**" if finding["named"] else str(finding.get("card", "not named"))
    return said + _mark(finding)


def _mark(measured: dict[str, Any]) -> str:
    return "\\*" if measured.get("by") == "detectors" else ""


def _false_alarms(nulls: list[dict[str, Any]]) -> list[str]:
    lines = ["| other real images instead of synthetic ones | halves | with a cause that is named |", "|---|---|---|"]
    return lines + [f"| {one['real_set']}{_mark(one)} | {one['halves']} | {one['named']} |" for one in nulls]
