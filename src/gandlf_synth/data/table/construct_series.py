"""Makes the CSV of a tree of DICOM files by what their headers say, and leaves out, with a reason, what does not fit.

``construct.py`` goes by names and refuses a folder that holds several series. Here every series is found by its
SeriesInstanceUID and tried, and those that can be one data set are kept.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gandlf_synth.data.formats.location import MARK
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.readers.base import is_marked_dicom
from gandlf_synth.data.formats.readers.dicom import Series, series_in
from gandlf_synth.data.formats.scan import FileScan, Progress, no_progress, scan_files
from gandlf_synth.data.table.construct import ConstructReport, Row, table
from gandlf_synth.data.table.construct_dicom import is_dicom_suffix
from gandlf_synth.data.table.layouts import are_classes, units_of
from gandlf_synth.errors import DataError, Problem, listing
from gandlf_synth.files import write_text

_SHOWN = 5
_LIKE = 2
"""Longest side of the largest image, as a multiple of the smallest one's, up to which nothing is said."""


@dataclass(frozen=True)
class _Candidate:
    """An image that a header promises; ``cell`` is what names it in a CSV, relative to the root."""

    cell: str
    study: str
    name: str


@dataclass(frozen=True)
class SeriesReport:
    """What a CSV of series holds, and a sentence for everything that it does not."""

    report: ConstructReport
    kind: str
    left_out: tuple[str, ...]


def holds_volumes(root: Path) -> bool:
    """Say whether slices of a volume lie in some folder under ``root``, so that files are not the images."""
    return any(_is_volume(series) for _, found in _folders(root, []) for series in found)


def construct_by_series(root: Path, output_file: Path, cache: Path, progress: Progress = no_progress) -> SeriesReport:
    """Write the CSV of the largest set of DICOM images under ``root`` that are alike: dimensions, channels, modality.

    Images of one study are one subject, wherever they lie. Nothing of a header is written.

    Args:
        root: the folder.
        output_file: the CSV.
        cache: where scans of images are kept.
        progress: shows how far reading is.

    Raises:
        DataError: no image can be used; every reason.
    """
    left_out: list[str] = []
    candidates = [each for folder, found in _folders(root, left_out) for each in _candidates(folder, found, left_out)]
    scans = scan_files([root / each.cell for each in candidates], cache, progress)
    groups: dict[str, list[_Candidate]] = defaultdict(list)
    for each in candidates:
        scan = scans[root / each.cell]
        if scan.problem:
            left_out.append(f"{each.cell or root.name}: {each.name} {scan.problem[0]}")
        else:
            groups[_kind(scan)].append(each)
    if not groups:
        raise DataError(Problem(str(root), f"holds no DICOM image that can be used: {listing(left_out, _SHOWN)}"))
    kept = max(groups, key=lambda kind: (len(groups[kind]), kind))
    for kind, own in sorted(groups.items()):
        if kind != kept:
            cells = listing((each.cell for each in own), _SHOWN)
            left_out.append(f"{len(own)} {kind}, unlike the {len(groups[kept])} {kept}: {cells}")
    rows = _rows(groups[kept])
    notes = _notes([scans[root / each.cell] for each in groups[kept]])
    labels = [row.class_name for row in rows if row.class_name]
    write_text(output_file, table(root, rows, labels, None))
    subjects = len({row.subject for row in rows})
    classes = dict(sorted(Counter(labels).items()))
    return SeriesReport(ConstructReport(len(rows), subjects, classes, notes), kept, tuple(left_out))


def _folders(root: Path, left_out: list[str]) -> list[tuple[str, list[Series]]]:
    """Return every folder with DICOM images, relative to ``root``, and its series."""
    found = []
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder = Path(place)
        if not any(is_dicom_suffix(Path(name).suffix) or is_marked_dicom(folder / name) for name in files):
            continue
        relative = folder.relative_to(root).as_posix()
        try:
            found.append((relative, series_in(folder)))
        except UnreadableError as error:
            left_out.append(f"{relative}: {error.what}")
    return found


def _is_volume(series: Series) -> bool:
    return series.placed and len(series.files) > 1


def _candidates(folder: str, found: Sequence[Series], left_out: list[str]) -> list[_Candidate]:
    """Return what a CSV can name in a folder: the folder, one of its series by number, or single files."""
    numbers = Counter(series.number for series in found)
    candidates = []
    for series in found:
        if not _is_volume(series):
            candidates += [
                _Candidate(f"{folder}/{file.name}".removeprefix("./"), series.study, series.name)
                for file in series.files
            ]
        elif len(found) == 1:
            candidates.append(_Candidate(folder, series.study, series.name))
        elif numbers[series.number] == 1:
            candidates.append(_Candidate(f"{folder}{MARK}{series.number}", series.study, series.name))
        else:
            what = f"{series.name} shares its number with another series of the folder, so that a CSV cannot name it"
            left_out.append(f"{folder}: {what}; give it a folder of its own")
    return candidates


def _kind(scan: FileScan) -> str:
    dims = "volumes" if len(scan.shape) == 3 else "pictures"
    return f"{scan.modality or 'DICOM'} {dims} of {scan.channels} channel{'s' if scan.channels > 1 else ''}"


def _rows(candidates: Sequence[_Candidate]) -> list[Row]:
    studies: dict[str, list[str]] = defaultdict(list)
    for each in candidates:
        studies[each.study or each.cell].append(each.cell)
    by_class = _are_classes(candidates)
    rows = []
    for number, cells in enumerate(studies.values(), start=1):
        subject = os.path.commonpath(cells) or f"study_{number}"
        rows += [Row(cell.partition("/")[0] if by_class else "", subject, (cell,)) for cell in cells]
    return sorted(rows, key=lambda row: (row.subject, row.files))


def _are_classes(candidates: Sequence[_Candidate]) -> bool:
    """Say whether the first folders are classes: as for other files, and each holds more than one study."""
    studies: dict[str, set[str]] = defaultdict(set)
    for each in candidates:
        studies[each.cell.partition("/")[0]].add(each.study or each.cell)
    several = all(len(own) > 1 for own in studies.values())
    return several and are_classes(units_of([Path(each.cell) for each in candidates]))


def _notes(scans: Sequence[FileScan]) -> tuple[str, ...]:
    """Say when images cover so different regions that they hardly show the same thing."""
    extents = sorted((_extent(scan) for scan in scans), key=prod)
    smallest, largest = extents[0], extents[-1]
    if max(largest) <= _LIKE * max(smallest):
        return ()
    sizes = " to ".join("×".join(f"{length:.0f}" for length in own) for own in (smallest, largest))
    return (f"the images cover from {sizes} mm: if they show different things, run init on a folder of each",)


def _extent(scan: FileScan) -> tuple[float, ...]:
    """Return the lengths of the sides, in mm."""
    grid = scan.geometry
    return tuple(length * step for length, step in zip(grid.shape, grid.spacing, strict=False))
