"""What may be wrong in the rows of a CSV; every check returns all problems of its kind."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gandlf_synth.data.formats.readers import exists, locate
from gandlf_synth.data.table.csv_rows import Row
from gandlf_synth.errors import Problem, listing

_SHOWN = 20


def problems_of(rows: Sequence[Row]) -> list[Problem]:
    """Return everything that is wrong in the cells of ``rows`` and with the files that they name."""
    checks = (_empty_cells, _labels_not_integer, _labels_inconsistent, _repeated)
    return [*(problem for check in checks for problem in capped(check(rows))), *_missing_files(rows)]


def capped(problems: list[Problem]) -> list[Problem]:
    """Return the first problems of a kind, and how many there are more."""
    more = len(problems) - _SHOWN
    return problems if more <= 1 else [*problems[:_SHOWN], Problem("", f"… and {more} more like these")]


def _empty_cells(rows: Sequence[Row]) -> list[Problem]:
    problems = []
    for column in rows[0].cells if rows else ():
        empty = [row for row in rows if not row.cells[column]]
        if column.startswith("Channel_"):
            problems += [Problem(f"{row.place}, column {column}", "is empty", "the path of an image") for row in empty]
        elif empty and len(empty) < len(rows):
            which = listing((str(row.number) for row in empty), _SHOWN)
            what = f"is given in {len(rows) - len(empty)} of {len(rows)} rows and empty in rows {which}"
            problems.append(Problem(f"{rows[0].csv} column {column}", what, "all rows or none"))
    return problems


def _labels_not_integer(rows: Sequence[Row]) -> list[Problem]:
    bad = [row for row in rows if row.label is None and row.cells.get("Label")]
    fix = "put class names into LabelMapping"
    problems = [Problem(f"{row.place}, column Label", f"is {row.cells['Label']!r}", "an integer", fix) for row in bad]
    named = any(row.cells.get("LabelMapping") for row in rows)
    if named and not any(row.cells.get("Label") for row in rows):
        problems.append(
            Problem(f"{rows[0].csv} header", "has LabelMapping but no Label", "an integer Label for every class name")
        )
    return problems


def _labels_inconsistent(rows: Sequence[Row]) -> list[Problem]:
    names: dict[str, dict[str, int]] = defaultdict(dict)
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        name = row.cells.get("LabelMapping")
        if name and row.label is not None:
            names[f"Label {row.label} has several LabelMappings"].setdefault(repr(name), row.number)
            labels[f"LabelMapping {name!r} has several Labels"].setdefault(str(row.label), row.number)
    problems = []
    for what, values in [*names.items(), *labels.items()]:
        if len(values) > 1:
            places = listing((f"{value} (row {number})" for value, number in values.items()), _SHOWN)
            problems.append(Problem(str(rows[0].csv), f"{what}: {places}", "one name per label"))
    return problems


def _repeated(rows: Sequence[Row]) -> list[Problem]:
    first: dict[tuple[str, ...], Row] = {}
    problems = []
    for row in rows:
        key = tuple(os.path.normpath(file) for file in row.channels.values())
        if len(set(key)) < len(key):
            problems.append(Problem(row.place, f"names one file for two channels: {listing(key)}"))
        if first.setdefault(key, row) is not row and len(key) == len(rows[0].channels):
            problems.append(Problem(row.place, f"lists the same images as row {first[key].number}: {listing(key)}"))
    return problems


def _missing_files(rows: Sequence[Row]) -> list[Problem]:
    named = [(row, column, file) for row in rows for column, file in row.files.items()]
    cells = [(row, column, file) for row, column, file in named if not exists(locate(file).path)]
    problems = []
    for row, column, file in cells:
        fix = "~ is not expanded; write the whole path" if row.cells[column].startswith("~") else ""
        problems.append(Problem(f"{row.place}, column {column} ({file})", "does not exist", fix=fix))
    shared = {_first_missing(folder) for folder in {file.parent for _, _, file in cells}}
    hint = []
    if len(cells) > 1 and len(shared) == 1 and None not in shared:
        relative = not Path(cells[0][0].cells[cells[0][1]]).is_absolute()
        fix = f"relative paths start at the folder of the CSV, {rows[0].csv.parent.absolute()}" if relative else ""
        what = f"all {len(cells)} missing files lie in {shared.pop()}, which does not exist"
        hint = [Problem(str(rows[0].csv), what, fix=fix)]
    return [*hint, *capped(problems)]


def _first_missing(folder: Path) -> Path | None:
    return next((path for path in [*reversed(folder.parents), folder] if not exists(path)), None)
