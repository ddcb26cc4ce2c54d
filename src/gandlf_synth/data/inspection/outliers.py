"""Images whose size, voxel size or intensities are far from those of the others."""

from collections.abc import Callable, Iterable
from math import prod

import numpy as np

from gandlf_synth.data.inspection.finding import Finding
from gandlf_synth.data.inspection.fingerprint import Scans
from gandlf_synth.data.inspection.scan import FileScan
from gandlf_synth.data.table.manifest import Manifest

_FEWEST = 8
"""Below this many images no one of them is unusual."""
_DEVIATIONS = 8.0
"""Median absolute deviations of the logarithm; about five standard deviations of a normal one."""
_FACTOR = {"size": 1.5, "voxel size": 1.5, "intensity range": 10.0, "brightness": 3.0}
"""What is nearer to the median than this factor is never unusual."""


def outliers(manifests: Iterable[Manifest], scans: Scans) -> list[Finding]:
    """Return the images that are unusual within their column, by the logarithm's distance from the median."""
    manifests = list(manifests)
    found = []
    measures: dict[str, Callable[[FileScan], float]] = {
        "size": lambda scan: float(prod(scan.shape)),
        "voxel size": lambda scan: float(np.prod(scan.geometry.spacing)) if scan.physical else 1.0,
        "intensity range": lambda scan: float(max(np.subtract(scan.high, scan.low))),
        "brightness": lambda scan: float(max(np.abs([*scan.high, *scan.low]))),
    }
    for column in range(min((manifest.num_columns for manifest in manifests), default=0)):
        cells = [(manifest, sample) for manifest in manifests for sample in manifest.samples]
        usable = [(manifest, sample) for manifest, sample in cells if scans[sample.channels[column]].problem is None]
        for kind, measure in measures.items():
            values = np.array([measure(scans[sample.channels[column]]) for _, sample in usable])
            for index in _unusual(values, _FACTOR[kind]):
                manifest, sample = usable[index]
                what = f"{kind} {values[index]:.4g}, where the median is {np.median(values):.4g}; is it the same kind?"
                where = manifest.where(sample, column)
                found.append(Finding("warning", f"unusual {kind}", where, what, str(manifest.path), sample.row))
    return found


def _unusual(values: np.ndarray, factor: float) -> list[int]:
    if len(values) < _FEWEST:
        return []
    logs = np.log(np.maximum(values, np.finfo(float).tiny))
    distance = np.abs(logs - np.median(logs))
    limit = max(_DEVIATIONS * float(np.median(distance)), np.log(factor))
    return [int(index) for index in np.flatnonzero((distance > limit) & (values > 0))]
