"""Paths as other systems write them: backslashes, drives and shares of Windows, accents in two ways on macOS.

A path that exists as it is written is never touched.
"""

import ntpath
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

from gandlf_synth.data.formats.readers import MARK, exists, locate
from gandlf_synth.data.table.csv_rows import Row, names_files
from gandlf_synth.errors import Problem, counted

_AT_ONCE = 16
_CHUNK = 500
_PARENTS = 3
"""Folders above the CSV in which files of a Windows path are looked for."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\]")


def with_found_paths(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Return ``rows`` with the paths under which their files exist, and notes on what was read otherwise.

    Backslashes count as slashes, and letters with accents as equal however they are coded, where a file is only found
    that way.
    """
    unusual = [place for place, row in enumerate(rows) if any(_is_unusual(*cell) for cell in row.cells.items())]
    if not unusual:
        return list(rows), []
    spellings = _Spellings()
    chunks = [unusual[start : start + _CHUNK] for start in range(0, len(unusual), _CHUNK)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = pool.map(lambda chunk: [_found(rows[place], spellings) for place in chunk], chunks)
        found = dict(zip(unusual, chain.from_iterable(parts), strict=True))
    changed = [rows[place] for place, row in found.items() if row is not rows[place]]
    windows = sum(any("\\" in cell for cell in row.cells.values()) for row in changed)
    notes = [f"backslashes in the paths of {counted(windows, 'row')} are read as slashes"] if windows else []
    return [found.get(place, row) for place, row in enumerate(rows)], notes


def is_windows_path(cell: str) -> bool:
    r"""Say whether ``cell`` is an absolute path of Windows, on a system that has none.

    Example:
        >>> is_windows_path(r"C:\study\a.png"), is_windows_path(r"\\server\share\a.png"), is_windows_path("C/a.png")
        (True, True, False)
    """
    return os.name != "nt" and _DRIVE.match(cell) is not None


def windows_problem(cells: Sequence[tuple[Row, str]]) -> Problem:
    """Return what to do about ``cells``, rows with a Windows path each that leads nowhere here."""
    row, example = cells[0]
    files = f"{len(cells)} files by paths" if len(cells) > 1 else "a file by a path"
    what = f"names {files} of Windows, such as {example!r} (row {row.number}), and this computer has no such place"
    for place, suffix in _candidates(row.csv.parent.absolute(), PureWindowsPath(example)):
        if exists(place / suffix):
            prefix = example[: len(example) - len(str(suffix))]
            fix = f"replace {prefix!r} by '{place}/' in the CSV: {place / suffix} exists; backslashes may stay"
            return Problem(str(row.csv), what, fix=fix)
    folder = _common_folder([cell for _, cell in cells])
    fix = f"replace {folder!r} by the folder in which the files are here, such as '/mnt/data/'; backslashes may stay"
    return Problem(str(row.csv), what, fix=fix)


def _candidates(folder: Path, path: PureWindowsPath) -> Iterator[tuple[Path, Path]]:
    """Yield the places where a file of Windows may be, with what of its path follows: the longest first."""
    parts = path.parts[1:]
    if path.drive.endswith(":"):
        yield Path("/mnt", path.drive[0].lower()), Path(*parts)
    for start in range(len(parts)):
        for place in [folder, *folder.parents][:_PARENTS]:
            yield place, Path(*parts[start:])


def _common_folder(cells: Sequence[str]) -> str:
    try:
        common = ntpath.commonpath([ntpath.dirname(cell) for cell in cells])
    except ValueError:
        common = PureWindowsPath(cells[0]).drive
    return common.rstrip("\\") + "\\"


def _is_unusual(column: str, cell: str) -> bool:
    return names_files(column) and ("\\" in cell or not cell.isascii()) and not is_windows_path(cell)


def _found(row: Row, spellings: "_Spellings") -> Row:
    cells = {
        column: spellings.found_cell(row.csv.parent, cell)
        for column, cell in row.cells.items()
        if _is_unusual(column, cell)
    }
    is_changed = any(row.cells[column] != cell for column, cell in cells.items())
    return replace(row, cells={**row.cells, **cells}) if is_changed else row


class _Spellings:
    """Finds files under the spelling that they have on the disk; looks at every folder once."""

    def __init__(self) -> None:
        self._names = lru_cache(maxsize=None)(_names_in)
        self._folder = lru_cache(maxsize=None)(self._found_path)

    def found_cell(self, folder: Path, cell: str) -> str:
        """Return ``cell``, or the spelling of it under which there is a file."""
        if exists(locate(folder / cell).path):
            return cell
        for spelling in dict.fromkeys((cell, cell.replace("\\", "/"))):
            found = self._found_path(folder, Path(spelling))
            if found is not None:
                return str(found)
        return cell

    def _found_path(self, folder: Path, path: Path) -> Path | None:
        """Return the path whose parts are those of ``path`` but for the coding of accents, None where there is none."""
        if path in {Path(), Path(path.anchor)}:
            return path
        place = self._folder(folder, path.parent)
        if place is None:
            return None
        names = self._names(folder / place)
        alike = place / names.get(normalize("NFC", path.name), path.name)
        if exists(locate(folder / alike).path):
            return alike
        stem, mark, part = path.name.rpartition(MARK)
        stored = names.get(normalize("NFC", stem)) if mark else None
        return place / f"{stored}{MARK}{part}" if stored else None


def _names_in(folder: Path) -> dict[str, str]:
    """Return the names in a folder that hold other letters than ASCII's, by their composed form."""
    try:
        return {normalize("NFC", name): name for name in os.listdir(folder) if not name.isascii()}  # noqa: PTH208
    except OSError:
        return {}
