"""Every reason why images cannot be one data set: unusable files, other grids, other dimensions or channels."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.geometry import Geometry

_SHOWN = 20


def check_images(manifests: Sequence[Manifest], scans: Scans) -> None:
    """Check that every file can be used, that the channels of a row lie on one grid, and that dimensions are equal.

    Raises:
        DataError: every cell for which this is not so.
    """
    raise_if_any(_unusable(manifests, scans), DataError)
    raise_if_any([*_mixed_columns(manifests), *_mixed_grids(manifests, scans)], DataError)
    raise_if_any(_mixed_dimensions(manifests, scans), DataError)


def check_channels(manifests: Sequence[Manifest], scans: Scans, channels: Sequence[int]) -> None:
    """Check that every image has the ``channels`` of its column; grey and RGB may stand for one another.

    Raises:
        DataError: every cell for which this is not so.
    """

    def compare(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        count, usual = scans[sample.channels[column]].channels, channels[column]
        if count == usual or {count, usual} == {1, 3}:
            return None
        what = f"has {count} channels where the column's other images have {usual}"
        return Problem(manifest.where(sample, column), what)

    raise_if_any(_over_cells(manifests, compare), DataError)


def _over_cells(
    manifests: Sequence[Manifest], problem: Callable[[Manifest, Sample, int], Problem | None], masks: bool = False
) -> list[Problem]:
    """Return the problems of all cells, the first ``_SHOWN`` in full and the rest as a count."""
    problems = []
    for manifest in manifests:
        for sample in manifest.samples:
            count = len(sample.files if masks else sample.channels)
            cells = [problem(manifest, sample, column) for column in range(count)]
            problems += [cell for cell in cells if cell]
    if len(problems) > _SHOWN:
        return [*problems[:_SHOWN], Problem("", f"… and {len(problems) - _SHOWN} more like these")]
    return problems


def _unusable(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    def problem(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        scan = scans[sample.files[column]]
        return scan.problem_at(manifest.where(sample, column)) if scan.problem else None

    return _over_cells(manifests, problem, masks=True)


def _mixed_columns(manifests: Sequence[Manifest]) -> list[Problem]:
    counts = {str(manifest.path): manifest.num_columns for manifest in manifests}
    if len(set(counts.values())) == 1:
        return []
    summary = ", ".join(f"{path} has {count}" for path, count in counts.items())
    return [Problem(str(manifests[0].path), f"the CSVs have different numbers of channel columns: {summary}")]


def _mixed_grids(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    def compare(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        first, other = scans[sample.channels[0]].geometry, scans[sample.files[column]].geometry
        if column == 0 or first.matches(other):
            return None
        what = f"lies on another grid than Channel_0: {_grid(other)} against {_grid(first)}"
        return Problem(
            manifest.where(sample, column), what, fix="register and resample the channels of a subject to one grid"
        )

    return _over_cells(manifests, compare, masks=True)


def _grid(geometry: Geometry) -> str:
    size = "×".join(str(length) for length in geometry.shape)
    spacing = "×".join(f"{length:g}" for length in np.round(geometry.spacing, 3))
    origin = ", ".join(f"{value:g}" for value in np.round(geometry.affine[:3, 3], 2))
    return f"{size} voxels of {spacing} mm at ({origin})"


def _mixed_dimensions(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    counts = Counter(
        len(scans[path].shape) for manifest in manifests for sample in manifest.samples for path in sample.channels
    )
    if len(counts) == 1:
        return []
    rare = min(counts, key=lambda dims: counts[dims])
    summary = " and ".join(f"{count} images with {dims}" for dims, count in sorted(counts.items()))

    def compare(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        shape = scans[sample.channels[column]].shape
        if len(shape) != rare:
            return None
        return Problem(manifest.where(sample, column), f"has {rare} dimensions {shape}; the data set has {summary}")

    return _over_cells(manifests, compare)
