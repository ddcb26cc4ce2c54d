"""What a person should know of a data set beyond what stops a run: constant images, outliers, rare classes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from gandlf_synth.data.formats.scan import FileScan, Scans
from gandlf_synth.data.table.manifest import Manifest, cells_of
from gandlf_synth.errors import Problem

Severity = Literal["error", "warning"]
_ROW = re.compile(r"^(?P<csv>.*?) row (?P<row>\d+)")
_RATIO = 10
_FEW_PER_CLASS = 20
_FEW_SUBJECTS = 100
_FEWEST = 8
"""Below this number of images, no image counts as unusual."""
_DEVIATIONS = 8.0
"""Median absolute deviations of the logarithm; about five standard deviations of a normal distribution."""
_FACTOR = {"size": 1.5, "voxel size": 1.5, "intensity range": 10.0, "brightness": 3.0}
"""A value nearer to the median than this factor is never unusual."""


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know of a data set, with its place.

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
    findings = []
    for problem in problems:
        allowed = f"allowed: {problem.allowed}" if problem.allowed else ""
        what = "; ".join(part for part in (problem.what, allowed, problem.fix) if part)
        match = _ROW.match(problem.where)
        csv, row = (match["csv"], int(match["row"])) if match else ("", None)
        findings.append(Finding("error", kind, problem.where, what, csv, row))
    return findings


def constant_images(manifests: Iterable[Manifest], scans: Scans) -> list[Finding]:
    """Return images of which 99 % of the voxels in some channel have one value."""
    findings = []
    for manifest in manifests:
        for sample in manifest.samples:
            for column, path in enumerate(sample.images.values()):
                scan = scans[path]
                if scan.problem is None and any(low == high for low, high in zip(scan.low, scan.high, strict=True)):
                    what = f"is {scan.low[0]:g} nearly everywhere; leave the row out unless that is meant"
                    where = manifest.where(sample, column)
                    findings.append(Finding("warning", "constant", where, what, str(manifest.path), sample.row))
    return findings


def remarks(manifests: Iterable[Manifest], scans: Scans) -> list[Finding]:
    """Return what readers remark of files that they can read."""
    return [
        Finding("warning", "remark", manifest.where(sample, column), remark, str(manifest.path), sample.row)
        for manifest in manifests
        for sample in manifest.samples
        for column, path in enumerate(sample.images.values())
        if (remark := scans[path].remark)
    ]


def imbalance(train: Manifest) -> list[Finding]:
    """Return the rare classes of the training split, and whether it has few subjects."""
    findings = []
    counts = train.label_counts
    most = max(counts.values(), default=0)
    for label, name in train.labels.items():
        count = counts[label]
        if count * _RATIO < most or count < _FEW_PER_CLASS:
            what = f"has {count} images, where the largest class has {most}; its synthetic images will look alike"
            findings.append(Finding("warning", "rare class", f"{train.path}: class {name}", what))
    subjects: set[str] = set()
    for sample in train.samples:
        subjects.add(sample.subject)
        if len(subjects) == _FEW_SUBJECTS:
            break
    if len(subjects) < _FEW_SUBJECTS:
        what = f"{len(subjects)} subjects to train on: expect copies of them among the synthetic images"
        findings.append(Finding("warning", "few subjects", str(train.path), what))
    return findings


def outliers(manifests: Sequence[Manifest], scans: Scans) -> list[Finding]:
    """Return the images that are unusual within their column, by the logarithm's distance from the median."""
    findings = []
    for cells in [*cells_of(manifests, "Channel"), *cells_of(manifests, "Source")]:
        usable = [cell for cell in cells if scans[cell.path].problem is None]
        for kind, measure in _MEASURES.items():
            values = np.array([measure(scans[cell.path]) for cell in usable])
            for index in _unusual(values, _FACTOR[kind]):
                cell = usable[index]
                what = f"{kind} {values[index]:.4g}, where the median is {np.median(values):.4g}; is it the same kind?"
                csv, row = str(cell.manifest.path), cell.sample.row
                findings.append(Finding("warning", f"unusual {kind}", cell.where, what, csv, row))
    return findings


_MEASURES: dict[str, Callable[[FileScan], float]] = {
    "size": lambda scan: float(prod(scan.shape)),
    "voxel size": lambda scan: float(np.prod(scan.geometry.spacing)) if scan.physical else 1.0,
    "intensity range": lambda scan: float(max(np.subtract(scan.high, scan.low))),
    "brightness": lambda scan: float(max(np.abs([*scan.high, *scan.low]))),
}


def _unusual(values: np.ndarray, factor: float) -> list[int]:
    if len(values) < _FEWEST:
        return []
    logs = np.log(np.maximum(values, np.finfo(float).tiny))
    distance = np.abs(logs - np.median(logs))
    limit = max(_DEVIATIONS * float(np.median(distance)), np.log(factor))
    return [int(index) for index in np.flatnonzero((distance > limit) & (values > 0))]
