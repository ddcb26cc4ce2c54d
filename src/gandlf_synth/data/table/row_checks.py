"""What may be wrong in the rows of a CSV; every check returns all problems of its kind."""

import errno
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from gandlf_synth.data.formats.readers import exists, locate
from gandlf_synth.data.formats.shards.location import as_url
from gandlf_synth.data.formats.shards.mirror import fetch_files
from gandlf_synth.data.table.csv_rows import Row, names_files
from gandlf_synth.data.table.path_cells import is_windows_path, windows_problem
from gandlf_synth.errors import Problem, listing

RowProblem = tuple[int | None, Problem]
"""The number of a row that cannot be used, with the reason; None for what concerns the table as a whole."""

_SHOWN = 20
_AT_ONCE = 16
"""Files that are asked for at a time: most of the wait is the network's."""
_CHUNK = 500
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def cell_problems(rows: Sequence[Row], *, needs_images: bool = True) -> list[list[RowProblem]]:
    """Return everything that is wrong in the cells of ``rows``, by kind.

    Args:
        rows: the rows.
        needs_images: whether each must have images, and other ones than the rest, as in training.
    """
    checks = [_labels_not_integer, _labels_inconsistent, *([_repeated] if needs_images else [])]
    return [_empty_cells(rows, needs_images), *(check(rows) for check in checks)]


def file_problems(rows: Sequence[Row]) -> list[list[RowProblem]]:
    """Return what is wrong with the files that ``rows`` name: where they all would lie, then each of them."""
    named = [(row, column, file) for row in rows for column, file in row.files.items()]
    urls = {row.cells[column]: url for row, column, _ in named if (url := as_url(row.cells[column]))}
    failures = fetch_files(urls.values())
    cells: list[tuple[Row, str, Path]] = []
    windows: list[tuple[Row, str]] = []
    problems: list[RowProblem] = []
    for (row, column, file), obstacle in zip(named, _obstacles([file for _, _, file in named]), strict=True):
        cell = row.cells[column]
        if failure := failures.get(urls.get(cell, "")):
            own = failure.problems[0]
            where = f"{row.place}, column {column} ({cell})"
            problems.append((row.number, Problem(where, own.what, own.allowed, own.fix)))
        elif obstacle and is_windows_path(cell):
            windows.append((row, row.cells[column]))
            problems.append(
                (row.number, Problem(f"{row.place}, column {column}", f"is {row.cells[column]!r}, a path of Windows"))
            )
        elif obstacle:
            cells.append((row, column, file))
            fix = "~ is not expanded; write the whole path" if row.cells[column].startswith("~") else ""
            problems.append((row.number, Problem(f"{row.place}, column {column} ({file})", obstacle, fix=fix)))
    hint: list[RowProblem] = [(None, windows_problem(windows))] if windows else []
    return [hint, _where_all_would_lie(cells, len(named)), problems]


def capped(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first problems of a kind, and how many there are more."""
    more = len(problems) - _SHOWN
    return list(problems) if more <= 1 else [*problems[:_SHOWN], Problem("", f"… and {more} more like these")]


def _empty_cells(rows: Sequence[Row], needs_images: bool) -> list[RowProblem]:
    problems: list[RowProblem] = []
    for column in rows[0].cells if rows else ():
        empty = [row for row in rows if not row.cells[column]]
        if column.startswith("Channel_"):
            wrong = [row for row in empty if row.channels or (needs_images and not row.images)]
            problems += [(row.number, _empty_channel(row, column)) for row in wrong]
        elif names_files(column):
            continue
        elif empty and len(empty) < len(rows):
            which = listing((str(row.number) for row in empty), _SHOWN)
            what = f"is given in {len(rows) - len(empty)} of {len(rows)} rows and empty in rows {which}"
            problems.append((None, Problem(f"{rows[0].csv} column {column}", what, "all rows or none")))
    return problems


def _empty_channel(row: Row, column: str) -> Problem:
    """Return what is wrong with an empty channel: others of the row are filled, or it has no image at all."""
    fix = "" if row.channels or not row.sources else "a row needs an image: what is generated, or what it is made from"
    return Problem(f"{row.place}, column {column}", "is empty", "the path of an image", fix)


def _labels_not_integer(rows: Sequence[Row]) -> list[RowProblem]:
    bad = [row for row in rows if row.label is None and row.cells.get("Label")]
    fix = "put class names into LabelMapping"
    return [
        (row.number, Problem(f"{row.place}, column Label", f"is {row.cells['Label']!r}", "an integer", fix))
        for row in bad
    ]


def _labels_inconsistent(rows: Sequence[Row]) -> list[RowProblem]:
    names: dict[str, dict[str, int]] = defaultdict(dict)
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        name = row.cells.get("LabelMapping")
        if name and row.label is not None:
            names[f"Label {row.label} has several LabelMappings"].setdefault(repr(name), row.number)
            labels[f"LabelMapping {name!r} has several Labels"].setdefault(str(row.label), row.number)
    problems: list[RowProblem] = []
    for what, values in [*names.items(), *labels.items()]:
        if len(values) > 1:
            places = listing((f"{value} (row {number})" for value, number in values.items()), _SHOWN)
            problems.append((None, Problem(str(rows[0].csv), f"{what}: {places}", "one name per label")))
    return problems


def _repeated(rows: Sequence[Row]) -> list[RowProblem]:
    first: dict[tuple[str, ...], Row] = {}
    problems: list[RowProblem] = []
    for row in rows:
        key = tuple(os.path.normpath(file) for file in row.images.values())
        if len(set(key)) < len(key):
            what = f"names one file for two channels: {listing(key)}"
            if row.sources:
                what = f"names one file in two columns: {listing(f'{name} {row.cells[name]}' for name in row.images)}"
            problems.append((row.number, Problem(row.place, what)))
        if first.setdefault(key, row) is not row and row.images.keys() == first[key].images.keys() and key:
            what = f"lists the same images as row {first[key].number}: {listing(key)}"
            problems.append((row.number, Problem(row.place, what)))
    return problems


def _obstacles(files: Sequence[Path]) -> Iterator[str]:
    """Yield for each file why it cannot be looked at; nothing where it can."""
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from chain.from_iterable(pool.map(lambda chunk: [_obstacle(file) for file in chunk], chunks))


def _obstacle(file: Path) -> str:
    try:
        os.stat(locate(file).path)  # noqa: PTH116
    except OSError as error:
        return "does not exist" if error.errno in _NOT_THERE else f"cannot be reached: {error.strerror}"
    except ValueError:  # a NUL in the name
        return "does not exist"
    return ""


def _where_all_would_lie(cells: Sequence[tuple[Row, str, Path]], named: int) -> list[RowProblem]:
    """Return what the missing files have in common, of ``named`` files in all: a folder that is not there."""
    if len(cells) < 2:
        return []
    common = Path(os.path.commonpath({os.path.abspath(file.parent) for _, _, file in cells}))  # noqa: PTH100
    gone = next((path for path in [*reversed(common.parents), common] if not exists(path)), None)
    everything = len(cells) == named
    if gone is None and not everything:
        return []
    row, column, _ = cells[0]
    relative = not Path(row.cells[column]).is_absolute()
    start = f"relative paths start at the folder of the CSV, {row.csv.parent.absolute()}" if relative else ""
    what = f"all {len(cells)} missing files lie in {gone}, which does not exist"
    if everything:
        what = f"none of the {named:,} files exists; the nearest folder that does is {gone.parent if gone else common}"
        start = "; ".join(part for part in (f"is {gone or common} mounted?", start) if part)
    return [(None, Problem(str(row.csv), what, fix=start))]
