"""Every reason why images cannot be one data set: unusable files, other grids, other dimensions or channels."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.table.manifest import Cell, Manifest
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.geometry import Geometry


def check_images(manifests: Sequence[Manifest], scans: Scans) -> None:
    """Check that every file can be used, that the channels of a row lie on one grid, and that dimensions are equal.

    Raises:
        DataError: every cell for which this is not so.
    """
    raise_if_any(_unusable(manifests, scans), DataError)
    raise_if_any([*_mixed_columns(manifests), *_mixed_grids(manifests, scans)], DataError)
    raise_if_any(_mixed_dimensions(manifests, scans), DataError)


def check_channels(columns: Sequence[Sequence[Cell]], scans: Scans, channels: Sequence[int]) -> None:
    """Check that every image has the ``channels`` of its column; grey and RGB may stand for one another.

    Args:
        columns: the filled cells of each column.
        scans: of every file.
        channels: of each column.

    Raises:
        DataError: every cell for which this is not so.
    """
    problems = []
    for cells, usual in zip(columns, channels, strict=True):
        for cell in cells:
            count = scans[cell.path].channels
            if count != usual and {count, usual} != {1, 3}:
                what = f"has {count} channels where the column's other images have {usual}"
                problems.append(Problem(cell.where, what))
    raise_if_any(capped(problems), DataError)


def _over_files(manifests: Sequence[Manifest], problem: Callable[[Cell], Problem | None]) -> list[Problem]:
    """Return the problems of all cells that name a file, the first ones in full and the rest as a count."""
    cells = [
        Cell(manifest, sample, name, path)
        for manifest in manifests
        for sample in manifest.samples
        for name, path in sample.named_files.items()
    ]
    return capped([found for cell in cells if (found := problem(cell))])


def _unusable(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    return _over_files(manifests, lambda cell: scans[cell.path].problem_at(cell.where))


def _mixed_columns(manifests: Sequence[Manifest]) -> list[Problem]:
    counts = {str(manifest.path): manifest.num_columns for manifest in manifests}
    if len(set(counts.values())) == 1:
        return []
    summary = ", ".join(f"{path} has {count}" for path, count in counts.items())
    return [Problem(str(manifests[0].path), f"the CSVs have different numbers of channel columns: {summary}")]


def _mixed_grids(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    def compare(cell: Cell) -> Problem | None:
        column, path = next(iter(cell.sample.named_files.items()))
        first, other = scans[path].geometry, scans[cell.path].geometry
        if first.matches(other):
            return None
        what = f"lies on another grid than {column}: {_grid(other)} against {_grid(first)}"
        return Problem(cell.where, what, fix="register and resample the images of a row to one grid")

    return _over_files(manifests, compare)


def _grid(geometry: Geometry) -> str:
    size = "×".join(str(length) for length in geometry.shape)
    spacing = "×".join(f"{length:g}" for length in np.round(geometry.spacing, 3))
    origin = ", ".join(f"{value:g}" for value in np.round(geometry.affine[:3, 3], 2))
    return f"{size} voxels of {spacing} mm at ({origin})"


def _mixed_dimensions(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    counts = Counter(
        len(scans[path].shape)
        for manifest in manifests
        for sample in manifest.samples
        for path in sample.images.values()
    )
    if len(counts) == 1:
        return []
    rare = min(counts, key=lambda dims: counts[dims])
    summary = " and ".join(f"{count} images with {dims}" for dims, count in sorted(counts.items()))

    def compare(cell: Cell) -> Problem | None:
        shape = scans[cell.path].shape
        if len(shape) != rare:
            return None
        return Problem(cell.where, f"has {rare} dimensions {shape}; the data set has {summary}")

    return _over_files(manifests, compare)
