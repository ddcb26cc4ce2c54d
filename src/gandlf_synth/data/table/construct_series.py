"""Makes the CSV of a tree of DICOM files by what their headers say, and leaves out, with a reason, what does not fit.

``construct.py`` goes by names and refuses a folder that holds several series. Here every series is found by its
SeriesInstanceUID and tried, and those that can be one data set are kept.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gandlf_synth.data.formats.readers import MARK
from gandlf_synth.data.formats.readers.dicom import Series
from gandlf_synth.data.formats.scan import FileScan, scan_files
from gandlf_synth.data.table.construct import ConstructReport, write_samples
from gandlf_synth.data.table.dicom_folders import dicom_folders, is_volume
from gandlf_synth.data.table.folder_samples import SampleRow
from gandlf_synth.data.table.layouts import are_classes, units_of
from gandlf_synth.errors import DataError, Problem, listing
from gandlf_synth.progress import Progress, no_progress

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
    candidates, left_out = _all_candidates(root)
    scans = scan_files([root / candidate.cell for candidate in candidates], cache, progress)
    groups: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        scan = scans[root / candidate.cell]
        if scan.problem:
            left_out.append(f"{candidate.cell or root.name}: {candidate.name} {scan.problem[0]}")
        else:
            groups[_kind(scan)].append(candidate)
    if not groups:
        raise DataError(Problem(str(root), f"holds no DICOM image that can be used: {listing(left_out, _SHOWN)}"))
    largest = max(groups, key=lambda kind: (len(groups[kind]), kind))
    for kind, group in sorted(groups.items()):
        if kind != largest:
            cells = listing((candidate.cell for candidate in group), _SHOWN)
            left_out.append(f"{len(group)} {kind}, unlike the {len(groups[largest])} {largest}: {cells}")
    rows = _rows(groups[largest])
    labels = [row.class_name for row in rows if row.class_name]
    write_samples(output_file, root, rows, labels, None)
    warnings = _warnings([scans[root / candidate.cell] for candidate in groups[largest]])
    classes = dict(sorted(Counter(labels).items()))
    report = ConstructReport(len(rows), len({row.subject for row in rows}), classes, warnings)
    return SeriesReport(report, largest, tuple(left_out))


def _all_candidates(root: Path) -> tuple[list[_Candidate], list[str]]:
    """Return every image that the headers under ``root`` promise, and a sentence for what a CSV cannot name."""
    candidates: list[_Candidate] = []
    left_out: list[str] = []
    for folder, series in dicom_folders(root):
        if isinstance(series, str):
            left_out.append(f"{folder}: {series}")
            continue
        numbers = Counter(one.number for one in series)
        for one in series:
            if is_volume(one) and len(series) > 1 and numbers[one.number] > 1:
                what = f"{one.name} shares its number with another series of the folder, so that a CSV cannot name it"
                left_out.append(f"{folder}: {what}; give it a folder of its own")
            else:
                candidates += _candidates(folder, one, alone=len(series) == 1)
    return candidates, left_out


def _candidates(folder: str, series: Series, *, alone: bool) -> list[_Candidate]:
    """Return what a CSV names: the folder of a series, one of its series by number, or single files."""
    if is_volume(series):
        cells = [folder if alone else f"{folder}{MARK}{series.number}"]
    else:
        cells = [f"{folder}/{file.name}".removeprefix("./") for file in series.files]
    return [_Candidate(cell, series.study, series.name) for cell in cells]


def _kind(scan: FileScan) -> str:
    dims = "volumes" if len(scan.shape) == 3 else "pictures"
    return f"{scan.modality or 'DICOM'} {dims} of {scan.channels} channel{'s' if scan.channels > 1 else ''}"


def _rows(candidates: Sequence[_Candidate]) -> list[SampleRow]:
    studies: Mapping[str, list[str]] = defaultdict(list)
    for candidate in candidates:
        studies[candidate.study or candidate.cell].append(candidate.cell)
    by_class = _are_classes(candidates)
    rows = []
    for number, cells in enumerate(studies.values(), start=1):
        subject = os.path.commonpath(cells) or f"study_{number}"
        rows += [SampleRow(cell.partition("/")[0] if by_class else "", subject, (cell,)) for cell in cells]
    return sorted(rows, key=lambda row: (row.subject, row.files))


def _are_classes(candidates: Sequence[_Candidate]) -> bool:
    """Say whether the first folders are classes: as for other files, and each holds more than one study."""
    studies: dict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        studies[candidate.cell.partition("/")[0]].add(candidate.study or candidate.cell)
    several = all(len(names) > 1 for names in studies.values())
    return several and are_classes(units_of([Path(candidate.cell) for candidate in candidates]))


def _warnings(scans: Sequence[FileScan]) -> tuple[str, ...]:
    """Return a sentence when images cover so different regions that they hardly show the same thing."""
    extents = sorted((_extent(scan) for scan in scans), key=prod)
    smallest, largest = extents[0], extents[-1]
    if max(largest) <= _LIKE * max(smallest):
        return ()
    sizes = " to ".join("×".join(f"{length:.0f}" for length in extent) for extent in (smallest, largest))
    return (f"the images cover from {sizes} mm: if they show different things, run init on a folder of each",)


def _extent(scan: FileScan) -> tuple[float, ...]:
    """Return the lengths of the sides, in mm."""
    grid = scan.geometry
    return tuple(length * step for length, step in zip(grid.shape, grid.spacing, strict=False))
