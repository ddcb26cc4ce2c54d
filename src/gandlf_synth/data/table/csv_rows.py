"""The CSV as rows of text: its encoding, its separator, its header, and what each column stands for."""

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from gandlf_synth.data.formats.shards.location import as_url
from gandlf_synth.data.formats.shards.mirror import mirrored_path
from gandlf_synth.errors import DataError, Problem, did_you_mean, listing
from gandlf_synth.files import write_csv

_VOCABULARY = {
    "label": "Label",
    "labelmapping": "LabelMapping",
    "subjectid": "SubjectID",
    "patientid": "SubjectID",
    "mask": "Mask",
    "mask0": "Mask",
    "region": "Region",
}
_IMAGE_COLUMNS = (
    *("image", "images", "img", "path", "file", "filename", "filepath"),
    *("imagepath", "imagefile", "imagefilename", "imagefilepath", "imgpath"),
)
"""Keys of columns that other tools call what is Channel_0 here; one alone of them counts as it."""
_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[,;\t]*', re.IGNORECASE)
"""The first line that Excel writes, or wants, to say how cells are separated."""
_ALLOWED = "Channel_0, Channel_1, …, and optionally Source_0, …, Mask, Region, Label, LabelMapping, SubjectID"
_NUMBERED = re.compile(r"(channel|source)([0-9]+)")
"""Keys of columns that hold images: what is generated, and what it is made from."""
_OF_FILES = ("Channel_", "Source_", "Mask", "Region")
_ALIKE = 0.8


@dataclass(frozen=True)
class Row:
    """One row of the CSV as text.

    Args:
        csv: the file.
        number: of the row; 1 is the first under the header.
        line: of the file, as an editor counts.
        cells: the text of every column of the vocabulary, by the column's canonical name.
        extra: the text of every further column, by its name in the header.
    """

    csv: Path
    number: int
    line: int
    cells: Mapping[str, str]
    extra: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where the row is, for messages."""
        return f"{self.csv} row {self.number} (line {self.line})"

    @cached_property
    def channels(self) -> dict[str, Path]:
        """The path in every channel column that is filled, in the order of the channels."""
        return {name: path for name in self.columns("Channel_") if (path := self.path(name))}

    @cached_property
    def sources(self) -> dict[str, Path | None]:
        """The path in every source column, in the order of the sources; None where the cell is empty."""
        return {name: self.path(name) for name in self.columns("Source_")}

    @cached_property
    def images(self) -> dict[str, Path]:
        """The path of every image, channels before sources."""
        return {**self.channels, **{name: path for name, path in self.sources.items() if path}}

    @cached_property
    def files(self) -> dict[str, Path]:
        """The path in every column that names a file."""
        maps = {name: path for name in ("Mask", "Region") if (path := self.path(name))}
        return {**self.images, **maps}

    def columns(self, kind: str) -> list[str]:
        """Return the columns whose names begin with ``kind``, in the order of their numbers."""
        return sorted((name for name in self.cells if name.startswith(kind)), key=lambda name: int(name[len(kind) :]))

    def path(self, column: str) -> Path | None:
        """Return the path in a column, that of its copy where it is a URL; None where there is none."""
        cell = self.cells.get(column)
        url = as_url(cell) if cell else None
        return mirrored_path(url) if url else self.csv.parent / cell if cell else None

    @cached_property
    def label(self) -> int | None:
        """The class number; None where the cell is empty or no integer."""
        match = re.fullmatch(r"([+-]?[0-9]+)(\.0*)?", self.cells.get("Label", ""))
        return int(match[1]) if match else None


def read_records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names in the header, and the cells of every row that is not blank with the number of its line.

    Raises:
        DataError: the file does not exist, is no UTF-8 text, is no CSV, or is empty.
    """
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    stated = _SEPARATOR.fullmatch(header.strip(" "))
    if stated:
        text = text.replace(header, "", 1)
    separator = stated[1] if stated else max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if "".join(cells).strip()]
    except csv.Error as error:
        raise DataError(Problem(f"{path} line {reader.line_num}", f"cannot be read as CSV: {error}")) from error
    if not lines:
        raise DataError(Problem(str(path), "is empty", f"a header ({_ALLOWED}) and one row per sample"))
    return lines[0][1], lines[1:]


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if (url := as_url(path)) is not None:
            fix = "copy the CSV to this machine; its cells may be URLs"
            raise DataError(Problem(url, "is a URL, and a CSV is read from a disk", fix=fix)) from None
        fix = did_you_mean(path.name, [other.name for other in path.parent.glob("*.csv")])
        raise DataError(Problem(str(path), "does not exist", fix=fix)) from None
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}", "a CSV file")) from error
    fix = "save it as CSV in UTF-8"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with suppress(UnicodeDecodeError):
            return content.decode("utf-16")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(Problem(str(path), f"is not a text file: NUL byte in line {line}", fix=fix))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            Problem(str(path), f"is not UTF-8 text: byte 0x{content[error.start]:02x} in line {line}", fix=fix)
        ) from error


def columns_of(
    path: Path, names: Sequence[str], *, needs_images: bool = True
) -> tuple[list[str | None], list[Problem]]:
    """Return the canonical name of every column, None for ignored ones, and what is wrong with the header.

    Args:
        path: the CSV, for messages.
        names: the header.
        needs_images: whether a table without a column of images is wrong.
    """
    where = f"{path} header"
    keys = [_key(name) for name in names]
    columns, images = _with_image_column([_canonical(key) for key in keys], keys)
    problems = []
    for repeated, count in Counter(filter(None, columns)).items():
        if count > 1:
            given = listing(repr(name) for name, own in zip(names, columns, strict=True) if own == repeated)
            problems.append(Problem(where, f"has {repeated} {count} times: {given}", "each column once"))
    numbers = {kind: _numbers(columns, kind) for kind in ("Channel_", "Source_")}
    if needs_images and not numbers["Channel_"] and not numbers["Source_"]:
        fix = f"rename the one with the images to Channel_0: {listing(names[place] for place in images)}"
        what = f"has no column Channel_0: {listing(names)}"
        problems.append(Problem(where, what, _ALLOWED, fix if images else ""))
    for kind, found in numbers.items():
        missing = next((number for number in range(len(found)) if number not in found), None)
        if missing is not None:
            problems.append(Problem(where, f"has no column {kind}{missing}, but {kind}{max(found)}", _ALLOWED))
    for name, key, column in zip(names, keys, columns, strict=True):
        near = [] if column else get_close_matches(key, ["channel0", "source0", *_VOCABULARY], 1, _ALIKE)
        if near:
            meant = _canonical(near[0])
            problems.append(
                Problem(where, f"unknown column {name!r}", _ALLOWED, f"did you mean {meant!r}? else rename it")
            )
    return columns, problems


def canonical_column(name: str) -> str | None:
    """Return the column of the vocabulary that ``name`` in a header stands for, None where there is none.

    Example:
        >>> canonical_column("patient id"), canonical_column("channel 0"), canonical_column("Age")
        ('SubjectID', 'Channel_0', None)
    """
    return _canonical(_key(name))


def _canonical(key: str) -> str | None:
    """Return the name of the column of the vocabulary that has a key, None where there is none."""
    numbered = _NUMBERED.fullmatch(key)
    return f"{numbered[1].capitalize()}_{int(numbered[2])}" if numbered else _VOCABULARY.get(key)


def _numbers(columns: Sequence[str | None], kind: str) -> set[int]:
    return {int(column[len(kind) :]) for column in columns if column and column.startswith(kind)}


def _with_image_column(columns: Sequence[str | None], keys: Sequence[str]) -> tuple[list[str | None], list[int]]:
    """Return ``columns`` with the one that is called like an image as Channel_0, or the places where it may be."""
    if any(column and column.startswith(("Channel_", "Source_")) for column in columns):
        return list(columns), []
    places = [place for place, key in enumerate(keys) if key in _IMAGE_COLUMNS]
    if len(places) != 1:
        return list(columns), places
    return ["Channel_0" if place in places else column for place, column in enumerate(columns)], []


def names_files(column: str | None) -> bool:
    """Say whether a column holds paths."""
    return column is not None and column.startswith(_OF_FILES)


def _key(name: str) -> str:
    """Return the letters and digits of a column's name, by which it is known."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def extra_columns_of(names: Sequence[str], columns: Sequence[str | None]) -> tuple[str, ...]:
    """Return the names that are no vocabulary; a name that the header has twice names no column."""
    counts = Counter(names)
    return tuple(
        name for name, column in zip(names, columns, strict=True) if column is None and name and counts[name] == 1
    )


def write_subset(source: Path, target: Path, left_out: Collection[int]) -> None:
    """Write the CSV ``source`` without the rows ``left_out`` to ``target``, with absolute paths.

    Raises:
        DataError: ``source`` cannot be read as a table.
    """
    names, records = read_records(source)
    columns, _ = columns_of(source, names)
    rows: list[Sequence[str]] = [names]
    for number, (_, cells) in enumerate(records, 1):
        if number not in left_out:
            padded = [*columns, *[None] * (len(cells) - len(columns))]
            rows.append([_absolute(source, column, cell) for column, cell in zip(padded, cells, strict=False)])
    write_csv(target, rows)


def _absolute(source: Path, column: str | None, cell: str) -> str:
    is_path = names_files(column) and cell and as_url(cell) is None
    return os.path.join(source.parent.absolute(), cell) if is_path else cell  # noqa: PTH118
