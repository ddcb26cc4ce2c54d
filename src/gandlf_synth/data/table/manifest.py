"""The CSV of a data set: one row per sample, one column per channel; every problem in it is found at once."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.table.class_names import renumbered, with_numbered_names
from gandlf_synth.data.table.csv_rows import Row, columns_of, extra_columns_of, names_files, read_records
from gandlf_synth.data.table.path_cells import with_found_paths
from gandlf_synth.data.table.row_checks import RowProblem, capped, cell_problems, file_problems
from gandlf_synth.errors import DataError, Problem, raise_if_any

LabelMap = Literal["mask", "region"]
"""What a row may have beside its images that says something of every voxel."""
_NOTHING: Mapping[str, str] = {}
_EXTENSION = re.compile(r"(\.nii|\.ome)?\.\w+$", re.IGNORECASE)
SUBJECT_COLUMN = "the SubjectID column"
"""The rule of subjects that somebody has written down; others are guessed from folders."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the CSV.

    Args:
        row: its number; 1 is the first row under the header.
        subject: the person or specimen; rows of one subject stay in one split.
        channels: one path per channel column, what is generated; none where the row has only sources.
        label: the class number.
        label_name: the class name.
        mask: labels of the voxels, on the grid of the images.
        sources: per source column, the image that the channels are made from; None where it is missing.
        region: where an image is to be made anew, on the grid of the images.
        extra: the text in every further column, by the name in the header; see ``Manifest.extra_columns``.
        folder: of the CSV, where relative paths in further columns start.
    """

    row: int
    subject: str
    channels: tuple[Path, ...]
    label: int | None = None
    label_name: str | None = None
    mask: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    sources: tuple[Path | None, ...] = ()
    region: Path | None = None
    folder: Path = field(default=Path(), compare=False)

    @property
    def images(self) -> dict[str, Path]:
        """The path of every image by its column, channels before sources."""
        channels = {f"Channel_{number}": path for number, path in enumerate(self.channels)}
        return channels | {f"Source_{number}": path for number, path in enumerate(self.sources) if path}

    @property
    def named_files(self) -> dict[str, Path]:
        """Every path of the row by its column: the images, then mask and region where there are any."""
        if not self.sources and self.region is None and self.mask is None:
            return self.images
        return self.images | {name: path for name, path in (("Mask", self.mask), ("Region", self.region)) if path}

    @property
    def files(self) -> tuple[Path, ...]:
        """Every path of the row, as ``named_files`` lists them."""
        maps = tuple(path for path in (*self.sources, self.mask, self.region) if path)
        return (*self.channels, *maps)


@dataclass(frozen=True)
class Presence:
    """Which rows of a table hold what, ``(rows,)`` each.

    Args:
        targets: an image of the channels.
        sources: an image of the sources, one at least.
        masks: a label map.
        regions: a region.
    """

    targets: NDArray[np.bool_]
    sources: NDArray[np.bool_]
    masks: NDArray[np.bool_]
    regions: NDArray[np.bool_]


@dataclass(frozen=True)
class Manifest:
    """The samples of a data set or of one split of it.

    Args:
        path: the CSV, as given.
        samples: in the order of the CSV.
        subject_rule: how subjects were found, for the run notes.
        names_identify: whether an equal subject name in another CSV means the same subject; file names do not.
        extra_columns: the columns that the vocabulary does not have, such as ``Age``, in the order of the CSV.
        notes: how the CSV was read where another reading is possible.
        numbering: the one of the notes that says how classes are numbered, where the CSV only names them.
    """

    path: Path
    samples: Sequence[Sample]
    subject_rule: str
    names_identify: bool = True
    extra_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    numbering: str = ""

    @property
    def num_columns(self) -> int:
        """The number of channel columns."""
        return max((len(sample.channels) for sample in self.samples), default=0)

    @property
    def num_sources(self) -> int:
        """The number of source columns."""
        return max((len(sample.sources) for sample in self.samples), default=0)

    @property
    def num_subjects(self) -> int:
        """The number of subjects."""
        return len({sample.subject for sample in self.samples})

    @property
    def presence(self) -> Presence:
        """Which rows hold what."""
        held = [
            (bool(sample.channels), any(sample.sources), sample.mask is not None, sample.region is not None)
            for sample in self.samples
        ]
        return Presence(*np.array(held, dtype=bool).reshape(-1, 4).T)

    def alike(self, label_map: LabelMap) -> Iterable[Sequence[Sample]]:
        """Yield the rows that have a label map, those together whose maps are known to hold the same labels.

        Of files nothing is known, so that each row stands alone.
        """
        return ([sample] for sample in self.samples if getattr(sample, label_map) is not None)

    def at(self, places: NDArray[np.int64]) -> "Manifest":
        """Return the rows at ``places``, in their order."""
        return replace(self, samples=tuple(self.samples[place] for place in places.tolist()))

    @property
    def label_counts(self) -> Counter[int]:
        """The number of rows of every label."""
        return Counter(sample.label for sample in self.samples if sample.label is not None)

    @property
    def labels(self) -> dict[int, str]:
        """The class name of every label, sorted by label; the label itself where it has no name."""
        names = {s.label: s.label_name or str(s.label) for s in self.samples if s.label is not None}
        return dict(sorted(names.items()))

    def numbered_like(self, known: Mapping[int, str]) -> "Manifest":
        """Return the manifest with the numbers that the classes have elsewhere, where its CSV only names them.

        Args:
            known: the class name of every label, as in the training data.
        """
        if not self.numbering:
            return self
        numbers = renumbered(list(self.labels.values()), known)
        samples = tuple(replace(sample, label=numbers[sample.label_name or ""]) for sample in self.samples)
        return replace(self, samples=samples, notes=tuple(note for note in self.notes if note != self.numbering))

    def where(self, sample: Sample, column: int) -> str:
        """Return the place of a cell for a message: ``data.csv row 7, column Channel_0 (image.png)``.

        Args:
            sample: the row.
            column: the place of the file in ``sample.files``.
        """
        name, path = list(sample.named_files.items())[column]
        return f"{self.path} row {sample.row}, column {name} ({path})"

    def subset(self, samples: Iterable[Sample]) -> "Manifest":
        """Return a manifest of the same CSV with only ``samples``."""
        return replace(self, samples=tuple(samples))


@dataclass(frozen=True)
class Cell:
    """A cell of a CSV that names an image.

    Args:
        manifest: the CSV.
        sample: the row.
        column: the column.
        path: the image.
    """

    manifest: Manifest
    sample: Sample
    column: str
    path: Path

    @property
    def where(self) -> str:
        """The place for a message, as ``Manifest.where`` returns it."""
        return f"{self.manifest.path} row {self.sample.row}, column {self.column} ({self.path})"


def cells_of(manifests: Sequence[Manifest], kind: Literal["Channel", "Source", "Mask", "Region"]) -> list[list[Cell]]:
    """Return the filled cells of the columns of a kind, column by column in the order of their numbers."""
    columns: dict[str, list[Cell]] = defaultdict(list)
    for manifest in manifests:
        for sample in manifest.samples:
            for name, path in sample.named_files.items():
                if name.startswith(kind):
                    columns[name].append(Cell(manifest, sample, name, path))
    return [columns[name] for name in sorted(columns, key=lambda name: int(name.partition("_")[2] or 0))]


def paradigm(manifest: Manifest) -> LabelingParadigm:
    """Return how the samples are labelled; ``patient`` when every sample's class name is its subject."""
    if not manifest.labels:
        return "unlabeled"
    return "patient" if all(sample.label_name == sample.subject for sample in manifest.samples) else "custom"


def read_manifest(path: Path, *, needs_images: bool = True) -> Manifest:
    """Return the samples in a CSV; relative paths in it start at its folder.

    Columns, in any order and case: ``Channel_0``, ``Channel_1`` … (a single one may be called ``image``, ``path`` or
    ``filename``); optionally ``Source_0`` … (images that the channels are made from), ``Mask`` (labels of voxels),
    ``Region`` (what is to be made anew), ``Label`` (integer, or the class name), ``LabelMapping`` (class name) and
    ``SubjectID`` (or ``PatientID``). Further columns are kept as text in ``Sample.extra``. UTF-8 or UTF-16, separated
    by commas, semicolons or tabs, with or without ``sep=``.

    Args:
        path: the CSV.
        needs_images: whether a row without a channel or a source is wrong; a mask, or numbers, may be all that a
            trained model is given.

    Raises:
        DataError: everything that is wrong with the file, its columns, its cells, and the files it names.
    """
    table = _read_table(path, needs_images)
    cells = cell_problems(table.rows, needs_images=needs_images)
    kinds = [table.problems, *cells, *file_problems(table.rows)]
    shown = [capped([problem for _, problem in kind]) for kind in kinds]
    raise_if_any([problem for kind in shown for problem in kind], DataError)
    return _manifest(table, table.rows)


def read_usable_rows(path: Path) -> tuple[Manifest | None, list[Problem]]:
    """Return the samples of the rows that can be used, None where there are none, and everything that is wrong.

    The CSV is read once, and every file is looked for once.

    Raises:
        DataError: the file is no table.
    """
    table = _read_table(path)
    rows, problems = table.rows, dict[Problem, int | None]()
    kinds = [table.problems, *cell_problems(rows), *file_problems(rows)]
    while True:  # what is wrong with a row may show only beside the rows that stay
        found = {problem: number for kind in kinds for number, problem in kind}
        problems |= found
        bad = set(found.values()) - {None}
        if not bad:
            break
        rows = [row for row in rows if row.number not in bad]
        kinds = cell_problems(rows)
    usable = rows and not found and all(number is not None for number, _ in table.problems)
    return (_manifest(table, rows) if usable else None), list(problems)


@dataclass(frozen=True)
class _Table:
    """The rows of a CSV that have all their cells, and what is wrong with the header and the other rows."""

    path: Path
    rows: list[Row]
    extra_columns: tuple[str, ...]
    problems: list[RowProblem]
    notes: tuple[str, ...]
    numbering: str


def _read_table(path: Path, needs_images: bool = True) -> _Table:
    names, records = read_records(path)
    columns, header_problems = columns_of(path, names, needs_images=needs_images)
    problems: list[RowProblem] = [(None, problem) for problem in header_problems]
    extra_columns = extra_columns_of(names, columns)
    rows = []
    for number, (line, cells) in enumerate(records, 1):
        known = {
            column: cell if names_files(column) else normalize("NFC", cell)
            for column, cell in zip(columns, cells, strict=False)
            if column
        }
        extra = {name: cell for name, cell in zip(names, cells, strict=False) if name in extra_columns} or _NOTHING
        row = Row(path, number, line, known, extra)
        if len(cells) == len(names):
            rows.append(row)
        else:
            what = f"has {len(cells)} cells where the header has {len(names)}"
            fix = "write paths that hold the separator in double quotes"
            problems.append((number, Problem(row.place, what, fix=fix)))
    if not records:
        problems.append((None, Problem(str(path), "has a header but no rows", "one row per sample")))
    rows, notes = with_found_paths(rows)
    rows, numbering = with_numbered_names(rows)
    for name, column in zip(names, columns, strict=True):
        if column == "Channel_0" and not name.lower().startswith("channel"):
            notes.append(f"column {name!r} is read as Channel_0")
    return _Table(path, rows, extra_columns, problems, (*notes, *([numbering] if numbering else [])), numbering)


def _manifest(table: _Table, rows: Sequence[Row]) -> Manifest:
    subjects, rule, identify = _subjects(rows)
    samples = [_sample(row, subject) for row, subject in zip(rows, subjects, strict=True)]
    return Manifest(table.path, tuple(samples), rule, identify, table.extra_columns, table.notes, table.numbering)


def _sample(row: Row, subject: str) -> Sample:
    name = row.cells.get("LabelMapping") or None
    return Sample(
        row.number, subject, tuple(row.channels.values()), row.label, name, row.path("Mask"), row.extra,
        tuple(row.sources.values()), row.path("Region"), row.csv.parent,
    )  # fmt: skip


def _subjects(rows: Sequence[Row]) -> tuple[list[str], str, bool]:
    """Return every row's subject, the rule that found it, and whether the names hold beyond this CSV."""
    names = [row.cells.get("SubjectID", "") for row in rows]
    if all(names):
        return names, SUBJECT_COLUMN, True
    files = [Path(os.path.normpath(next(iter(row.files.values()), f"row_{row.number}"))) for row in rows]
    reason = _folders_are_no_subjects(rows, [file.parent for file in files])
    if not reason:
        return (
            _short_names([file.parent for file in files]),
            f"the folder that holds {next(iter(rows[0].files), 'the row')}",
            True,
        )
    stems = [file.with_name(_EXTENSION.sub("", file.name) or file.name) for file in files]
    return _short_names(stems), f"each row its own, because {reason} and there is no SubjectID column", False


def _folders_are_no_subjects(rows: Sequence[Row], folders: Sequence[Path]) -> str:
    labels: dict[Path, set[int | None]] = defaultdict(set)
    for row, folder in zip(rows, folders, strict=True):
        labels[folder].add(row.label)
    if len(labels) == 1:
        return f"all images lie in one folder ({folders[0]})"
    for folder, folder_labels in labels.items():
        if len(folder_labels) > 1:
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
    return [normalize("NFC", "/".join(path.parts[-depth:])) for path in paths]
