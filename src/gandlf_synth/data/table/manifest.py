"""The CSV of a data set: one row per sample, one column per channel; every problem in it is found at once."""

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.formats.location import exists, locate
from gandlf_synth.errors import DataError, Problem, did_you_mean, listing, raise_if_any
from gandlf_synth.files import write_csv

_SHOWN = 20
_NAMES = {
    "label": "Label",
    "labelmapping": "LabelMapping",
    "subjectid": "SubjectID",
    "patientid": "SubjectID",
    "mask": "Mask",
    "mask0": "Mask",
}
_ALLOWED = "Channel_0, Channel_1, …, and optionally Label, LabelMapping, SubjectID, Mask"
_RESERVED = re.compile(r"source[0-9]+|region")
"""Keys of columns that the vocabulary has and that nothing reads yet."""
_ALIKE = 0.8
_EXTENSION = re.compile(r"(\.nii|\.ome)?\.\w+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the CSV.

    Args:
        row: its number; 1 is the first row under the header.
        subject: the person or specimen; rows of one subject stay in one split.
        channels: one path per channel column.
        label: the class number.
        label_name: the class name.
        mask: labels of the voxels, on the grid of the channels.
        extra: the text in every further column, by the name in the header; see ``Manifest.extra_columns``.
    """

    row: int
    subject: str
    channels: tuple[Path, ...]
    label: int | None = None
    label_name: str | None = None
    mask: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every path of the row: the channels, then the mask if there is one."""
        return self.channels if self.mask is None else (*self.channels, self.mask)


@dataclass(frozen=True)
class Manifest:
    """The samples of a data set or of one split of it.

    Args:
        path: the CSV, as given.
        samples: in the order of the CSV.
        subject_rule: how subjects were found, for the run notes.
        names_identify: whether an equal subject name in another CSV means the same subject; file names do not.
        extra_columns: the columns that the vocabulary does not have, such as ``Age``, in the order of the CSV.
    """

    path: Path
    samples: tuple[Sample, ...]
    subject_rule: str
    names_identify: bool = True
    extra_columns: tuple[str, ...] = ()

    @property
    def num_columns(self) -> int:
        """The number of channel columns."""
        return len(self.samples[0].channels) if self.samples else 0

    @property
    def labels(self) -> dict[int, str]:
        """The class name of every label, sorted by label; the label itself where it has no name."""
        names = {s.label: s.label_name or str(s.label) for s in self.samples if s.label is not None}
        return dict(sorted(names.items()))

    def where(self, sample: Sample, column: int) -> str:
        """Return the place of a cell for a message: ``data.csv row 7, column Channel_0 (image.png)``.

        Args:
            sample: the row.
            column: the place of the file in ``sample.files``.
        """
        name = f"Channel_{column}" if column < len(sample.channels) else "Mask"
        return f"{self.path} row {sample.row}, column {name} ({sample.files[column]})"

    def subset(self, samples: Iterable[Sample]) -> "Manifest":
        """Return a manifest of the same CSV with only ``samples``."""
        return replace(self, samples=tuple(samples))


def paradigm(manifest: Manifest) -> LabelingParadigm:
    """Return how the samples are labelled; ``patient`` when every sample's class name is its subject."""
    if not manifest.labels:
        return "unlabeled"
    return "patient" if all(sample.label_name == sample.subject for sample in manifest.samples) else "custom"


def read_manifest(path: Path, left_out: frozenset[int] = frozenset()) -> Manifest:
    """Return the samples in a CSV; relative paths in it start at its folder.

    Columns, in any order and case: ``Channel_0``, ``Channel_1`` …; optionally ``Label`` (integer), ``LabelMapping``
    (class name), ``SubjectID`` (or ``PatientID``), ``Mask`` (labels of voxels). Further columns are kept as text in
    ``Sample.extra``; ``Source_0`` … and ``Region`` are reserved. UTF-8, separated by commas, semicolons or tabs.

    Args:
        path: the CSV.
        left_out: rows to pass over.

    Raises:
        DataError: everything that is wrong with the file, its columns, its cells, and the files it names.
    """
    names, records = _records(path)
    columns, problems = _columns(path, names)
    extra_columns = _extra_columns(names, columns)
    rows = []
    for number, (line, cells) in enumerate(records, 1):
        if number in left_out:
            continue
        known = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
        extra = {name: cell for name, cell in zip(names, cells, strict=False) if name in extra_columns}
        row = _Row(path, number, line, known, extra)
        if len(cells) == len(names):
            rows.append(row)
        else:
            fix = "write paths that hold the separator in double quotes"
            problems.append(Problem(row.place, f"has {len(cells)} cells where the header has {len(names)}", fix=fix))
    if len(records) <= len(left_out):
        problems.append(Problem(str(path), "has a header but no rows", "one row per sample"))
    problems = _capped(problems)
    for check in (_empty_cells, _labels_not_integer, _labels_inconsistent, _repeated):
        problems += _capped(check(rows))
    problems += _missing_files(rows)
    raise_if_any(problems, DataError)
    subjects, rule, identify = _subjects(rows)
    samples = [row.sample(subject) for row, subject in zip(rows, subjects, strict=True)]
    return Manifest(path, tuple(samples), rule, identify, extra_columns)


@dataclass(frozen=True)
class _Row:
    csv: Path
    number: int
    line: int
    cells: Mapping[str, str]
    extra: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.csv} row {self.number} (line {self.line})"

    @property
    def files(self) -> dict[str, Path]:
        names = sorted((name for name in self.cells if name.startswith("Channel_")), key=lambda name: int(name[8:]))
        return {name: self.csv.parent / self.cells[name] for name in names if self.cells[name]}

    def every_file(self) -> dict[str, Path]:
        return self.files if self.mask is None else {**self.files, "Mask": self.mask}

    @property
    def label(self) -> int | None:
        match = re.fullmatch(r"([+-]?[0-9]+)(\.0*)?", self.cells.get("Label", ""))
        return int(match[1]) if match else None

    def sample(self, subject: str) -> Sample:
        files = tuple(self.files.values())
        label_name = self.cells.get("LabelMapping") or None
        return Sample(self.number, subject, files, self.label, label_name, self.mask, self.extra)

    @property
    def mask(self) -> Path | None:
        return self.csv.parent / self.cells["Mask"] if self.cells.get("Mask") else None


def _records(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and every row that is not blank with its line number."""
    text = _text(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
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
        fix = did_you_mean(path.name, [other.name for other in path.parent.glob("*.csv")])
        raise DataError(Problem(str(path), "does not exist", fix=fix)) from None
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}", "a CSV file")) from error
    fix = "save it as CSV in UTF-8"
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


def write_subset(source: Path, target: Path, left_out: Collection[int]) -> None:
    """Write the CSV ``source`` without the rows ``left_out`` to ``target``, with absolute paths.

    Raises:
        DataError: ``source`` cannot be read as a table.
    """
    names, records = _records(source)
    columns, _ = _columns(source, names)
    rows: list[Sequence[str]] = [names]
    for number, (_, cells) in enumerate(records, 1):
        if number not in left_out:
            kinds = [*columns, *[None] * (len(cells) - len(columns))]
            rows.append([_absolute(source, kind, cell) for kind, cell in zip(kinds, cells, strict=False)])
    write_csv(target, rows)


def _absolute(source: Path, column: str | None, cell: str) -> str:
    is_path = column is not None and column.startswith(("Channel_", "Mask"))
    return os.path.join(source.parent.absolute(), cell) if is_path and cell else cell  # noqa: PTH118


def _columns(path: Path, names: Sequence[str]) -> tuple[list[str | None], list[Problem]]:
    """Return the canonical name of every column, None for ignored ones, and what is wrong with the header."""
    where = f"{path} header"
    keys = [_key(name) for name in names]
    columns = [f"Channel_{int(key[7:])}" if re.fullmatch(r"channel[0-9]+", key) else _NAMES.get(key) for key in keys]
    problems = []
    for repeated, count in Counter(filter(None, columns)).items():
        if count > 1:
            given = listing(repr(name) for name, own in zip(names, columns, strict=True) if own == repeated)
            problems.append(Problem(where, f"has {repeated} {count} times: {given}", "each column once"))
    numbers = {int(column[8:]) for column in columns if column and column.startswith("Channel_")}
    for number in range(max(len(numbers), 1)):
        if number not in numbers:
            what = f"has no column Channel_{number}" + (
                f", but Channel_{max(numbers)}" if numbers else f": {listing(names)}"
            )
            problems.append(Problem(where, what, _ALLOWED))
            break
    for name, key, column in zip(names, keys, columns, strict=True):
        near = [] if column else get_close_matches(key, ["channel0", *_NAMES], 1, _ALIKE)
        if near:
            meant = _NAMES.get(near[0], "Channel_0")
            problems.append(
                Problem(where, f"unknown column {name!r}", _ALLOWED, f"did you mean {meant!r}? else rename it")
            )
    return columns, problems


def _key(name: str) -> str:
    """Return the letters and digits of a column's name, by which it is known."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _extra_columns(names: Sequence[str], columns: Sequence[str | None]) -> tuple[str, ...]:
    """Return the names that are no vocabulary; a name that the header has twice names no column."""
    counts = Counter(names)
    return tuple(
        name
        for name, column in zip(names, columns, strict=True)
        if column is None and name and counts[name] == 1 and not _RESERVED.fullmatch(_key(name))
    )


def _empty_cells(rows: Sequence[_Row]) -> list[Problem]:
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


def _labels_not_integer(rows: Sequence[_Row]) -> list[Problem]:
    bad = [row for row in rows if row.label is None and row.cells.get("Label")]
    fix = "put class names into LabelMapping"
    problems = [Problem(f"{row.place}, column Label", f"is {row.cells['Label']!r}", "an integer", fix) for row in bad]
    named = any(row.cells.get("LabelMapping") for row in rows)
    if named and not any(row.cells.get("Label") for row in rows):
        problems.append(
            Problem(f"{rows[0].csv} header", "has LabelMapping but no Label", "an integer Label for every class name")
        )
    return problems


def _labels_inconsistent(rows: Sequence[_Row]) -> list[Problem]:
    names: dict[str, dict[str, int]] = defaultdict(dict)
    labels: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        name = row.cells.get("LabelMapping")
        if name and row.label is not None:
            names[f"Label {row.label} has several LabelMappings"].setdefault(repr(name), row.number)
            labels[f"LabelMapping {name!r} has several Labels"].setdefault(str(row.label), row.number)
    problems = []
    for what, found in [*names.items(), *labels.items()]:
        if len(found) > 1:
            places = listing((f"{value} (row {number})" for value, number in found.items()), _SHOWN)
            problems.append(Problem(str(rows[0].csv), f"{what}: {places}", "one name per label"))
    return problems


def _repeated(rows: Sequence[_Row]) -> list[Problem]:
    first: dict[tuple[str, ...], _Row] = {}
    problems = []
    for row in rows:
        key = tuple(os.path.normpath(file) for file in row.files.values())
        if len(set(key)) < len(key):
            problems.append(Problem(row.place, f"names one file for two channels: {listing(key)}"))
        if first.setdefault(key, row) is not row and len(key) == len(rows[0].files):
            problems.append(Problem(row.place, f"lists the same images as row {first[key].number}: {listing(key)}"))
    return problems


def _missing_files(rows: Sequence[_Row]) -> list[Problem]:
    named = [(row, column, file) for row in rows for column, file in row.every_file().items()]
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
    return [*hint, *_capped(problems)]


def _first_missing(folder: Path) -> Path | None:
    return next((path for path in [*reversed(folder.parents), folder] if not exists(path)), None)


def _capped(problems: list[Problem]) -> list[Problem]:
    more = len(problems) - _SHOWN
    return problems if more <= 1 else [*problems[:_SHOWN], Problem("", f"… and {more} more like these")]


def _subjects(rows: Sequence[_Row]) -> tuple[list[str], str, bool]:
    """Return every row's subject, the rule that found it, and whether the names hold beyond this CSV."""
    given = [row.cells.get("SubjectID", "") for row in rows]
    if all(given):
        return given, "the SubjectID column", True
    files = [Path(os.path.normpath(row.files["Channel_0"])) for row in rows]
    reason = _folders_are_no_subjects(rows, [file.parent for file in files])
    if not reason:
        return _short_names([file.parent for file in files]), "the folder that holds Channel_0", True
    stems = [file.with_name(_EXTENSION.sub("", file.name) or file.name) for file in files]
    return _short_names(stems), f"each row its own, because {reason} and there is no SubjectID column", False


def _folders_are_no_subjects(rows: Sequence[_Row], folders: Sequence[Path]) -> str:
    labels: dict[Path, set[int | None]] = defaultdict(set)
    for row, folder in zip(rows, folders, strict=True):
        labels[folder].add(row.label)
    if len(labels) == 1:
        return f"all images lie in one folder ({folders[0]})"
    for folder, own in labels.items():
        if len(own) > 1:
            return f"a folder holds rows of different labels ({folder})"
    counts = Counter(folders)
    for row, folder in zip(rows, folders, strict=True):
        classes = {row.cells.get("LabelMapping", "").casefold(), row.cells.get("Label", "")}
        if counts[folder] > 1 and folder.name.casefold() in classes:
            return f"folders are named like classes ({folder})"
    return ""


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Return the last part of every path, with as many parts before it as it takes to keep them apart."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]
