"""The evaluation reports that lie beside a model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandlf_synth.model_folder import ModelFolder

_PLACES = ("report.html", "*/report.html", "*/*/report.html", "../*/report.html")
_MOST = 20


@dataclass(frozen=True)
class PreviousReport:
    """A report.

    Args:
        path: the page.
        of_this_model: whether its evaluation says that it is; None where it says nothing of a model.
        verdicts: question and outcome of each.
    """

    path: Path
    of_this_model: bool | None
    verdicts: Sequence[tuple[str, str]]


def find_reports(model_dir: Path) -> list[PreviousReport]:
    """Return the reports in and beside the model folder that are not of another model, the newest first."""
    root = model_dir.resolve()
    found = {path.resolve() for place in _PLACES for path in root.glob(place)}
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    own = _read(ModelFolder(root).record)
    reports = [_report(path, own) for path in newest[:_MOST]]
    return [report for report in reports if report.of_this_model is not False]


def _report(path: Path, own: dict[str, Any]) -> PreviousReport:
    metrics = _read(path.with_name("metrics.json"))
    record = metrics.get("run_record")
    same: bool | None = None
    if isinstance(record, dict) and own:
        same = all(record.get(key) == own.get(key) for key in ("config_digest", "data_digest", "started"))
    verdicts = metrics.get("verdicts")
    rows = [row for row in verdicts if isinstance(row, dict)] if isinstance(verdicts, list) else []
    return PreviousReport(path, same, [(str(row.get("question")), str(row.get("outcome"))) for row in rows])


def _read(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
