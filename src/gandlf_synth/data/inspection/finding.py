"""One thing that a person should know of a data set."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gandlf_synth.errors import Problem

Severity = Literal["error", "warning"]
_ROW = re.compile(r"^(?P<csv>.*?) row (?P<row>\d+)")


@dataclass(frozen=True)
class Finding:
    """A finding, placed.

    Args:
        severity: ``error`` when it stops a run.
        kind: such as ``unreadable`` or ``near duplicate``.
        where: the place, for people.
        what: what is so, and what to do about it.
        csv: the CSV of the row, if it concerns one.
        row: the row; 1 is the first under the header.
    """

    severity: Severity
    kind: str
    where: str
    what: str
    csv: str = ""
    row: int | None = None


def findings_of(problems: Iterable[Problem], kind: str) -> list[Finding]:
    """Return problems that stop a run as findings, with the row that each names."""
    found = []
    for problem in problems:
        match = _ROW.match(problem.where)
        what = "; ".join(
            part
            for part in (problem.what, f"allowed: {problem.allowed}" if problem.allowed else "", problem.fix)
            if part
        )
        place = {"csv": match["csv"], "row": int(match["row"])} if match else {}
        found.append(Finding("error", kind, problem.where, what, **place))  # type: ignore[arg-type]
    return found
