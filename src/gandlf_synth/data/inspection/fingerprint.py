"""What a data set is: dimensions, channels, sizes, units; and every reason why it cannot be one data set."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandlf_synth.data.inspection.scan import FileScan
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any

_GREY_BELOW = 0.1
"""A colour picture with fewer coloured pixels than this share is a grey one with a mark on it."""
_SHOWN = 20

Scans = dict[Path, FileScan]


@dataclass(frozen=True)
class Fingerprint:
    """Facts of a data set, before any preprocessing.

    Args:
        spatial_dims: 2 or 3.
        column_channels: channels of each CSV column; a grey picture stored as RGB counts as one.
        column_names: what tells the columns' files apart.
        shape: median voxels along each axis.
        largest_extent: the largest size along each axis, in mm where known (volumes: along R, A, S), else in voxels.
        same_aspect: whether all images have the same proportions, within 5 %.
        low, high: per channel, medians of the images' 0.5th and 99.5th percentiles, in the files' units.
        dtype: the number type of the files, the most common one.
        physical: whether the files state sizes in millimetres.
        notes: what a person should know of it.
        modality: ``CT`` where all values are Hounsfield units, else what most files state, or nothing.
    """

    spatial_dims: int
    column_channels: tuple[int, ...]
    column_names: tuple[str, ...]
    shape: tuple[int, ...]
    largest_extent: tuple[float, ...]
    same_aspect: bool
    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str
    physical: bool
    notes: tuple[str, ...]
    modality: str = ""

    @property
    def num_channels(self) -> int:
        """Channels of one sample, all columns together."""
        return sum(self.column_channels)

    @property
    def is_colour(self) -> bool:
        """Whether one column holds colour pictures."""
        return self.spatial_dims == 2 and not self.physical and max(self.column_channels) >= 3


def fingerprint(manifests: Sequence[Manifest], scans: Scans) -> Fingerprint:
    """Return the facts of the data set that ``manifests`` (the splits) make together.

    Raises:
        DataError: every unusable file, channels of a row on different grids, mixed dimensions or channels.
    """
    raise_if_any(_unusable(manifests, scans), DataError)
    raise_if_any([*_mixed_columns(manifests), *_mixed_grids(manifests, scans)], DataError)
    raise_if_any(_mixed_dimensions(manifests, scans), DataError)
    columns = [
        [scans[sample.channels[column]] for sample in _samples(manifests)] for column in range(manifests[0].num_columns)
    ]
    channels, notes = _column_channels(columns)
    raise_if_any(_mixed_channels(manifests, scans, channels), DataError)
    return _summary(manifests[0], columns, channels, notes)


def _samples(manifests: Sequence[Manifest]) -> list[Sample]:
    return [sample for manifest in manifests for sample in manifest.samples]


def _each(
    manifests: Sequence[Manifest], problem: Callable[[Manifest, Sample, int], Problem | None], masks: bool = False
) -> list[Problem]:
    """Return the problems of all cells, the first ``_SHOWN`` in full and the rest as a count."""
    found = []
    for manifest in manifests:
        for sample in manifest.samples:
            count = len(sample.files if masks else sample.channels)
            cells = [problem(manifest, sample, column) for column in range(count)]
            found += [cell for cell in cells if cell]
    if len(found) > _SHOWN:
        return [*found[:_SHOWN], Problem("", f"… and {len(found) - _SHOWN} more like these")]
    return found


def _unusable(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    return _each(manifests, lambda m, s, column: scans[s.files[column]].problem_at(m.where(s, column)), masks=True)


def _mixed_columns(manifests: Sequence[Manifest]) -> list[Problem]:
    counts = {str(manifest.path): manifest.num_columns for manifest in manifests}
    if len(set(counts.values())) == 1:
        return []
    found = ", ".join(f"{path} has {count}" for path, count in counts.items())
    return [Problem(str(manifests[0].path), f"the CSVs have different numbers of channel columns: {found}")]


def _mixed_grids(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    def compare(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        first, other = scans[sample.channels[0]].geometry, scans[sample.files[column]].geometry
        if column == 0 or first.matches(other):
            return None
        what = f"lies on another grid than Channel_0: {_grid(other)} against {_grid(first)}"
        return Problem(
            manifest.where(sample, column), what, fix="register and resample the channels of a subject to one grid"
        )

    return _each(manifests, compare, masks=True)


def _grid(geometry: Any) -> str:
    size = "×".join(str(length) for length in geometry.shape)
    spacing = "×".join(f"{length:g}" for length in np.round(geometry.spacing, 3))
    origin = ", ".join(f"{value:g}" for value in np.round(geometry.affine[:3, 3], 2))
    return f"{size} voxels of {spacing} mm at ({origin})"


def _mixed_dimensions(manifests: Sequence[Manifest], scans: Scans) -> list[Problem]:
    counts = Counter(len(scans[path].shape) for sample in _samples(manifests) for path in sample.channels)
    if len(counts) == 1:
        return []
    rare = min(counts, key=lambda dims: counts[dims])
    summary = " and ".join(f"{count} images with {dims}" for dims, count in sorted(counts.items()))

    def odd(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        shape = scans[sample.channels[column]].shape
        if len(shape) != rare:
            return None
        return Problem(manifest.where(sample, column), f"has {rare} dimensions {shape}; the data set has {summary}")

    return _each(manifests, odd)


def _column_channels(columns: list[list[FileScan]]) -> tuple[list[int], list[str]]:
    channels, notes = [], []
    for number, scans in enumerate(columns):
        counts = {scan.channels for scan in scans}
        coloured = sum(scan.colour_fraction >= _GREY_BELOW for scan in scans)
        if not counts <= {1, 3} or 3 not in counts or scans[0].physical:
            channels.append(max(counts, key=lambda count: sum(scan.channels == count for scan in scans)))
        elif coloured:
            channels.append(3)
            if coloured < len(scans):
                notes.append(
                    f"Channel_{number}: {coloured} of {len(scans)} pictures are in colour, so all count as RGB"
                )
        else:
            channels.append(1)
            marked = sum(scan.colour_fraction > 0 for scan in scans)
            stored = sum(scan.channels == 3 for scan in scans)
            notes.append(
                f"Channel_{number}: {stored} of {len(scans)} pictures store grey as RGB and count as one channel"
            )
            if marked:
                notes.append(f"Channel_{number}: {marked} of them hold some coloured pixels (marks?), used as grey")
    return channels, notes


def _mixed_channels(manifests: Sequence[Manifest], scans: Scans, channels: list[int]) -> list[Problem]:
    def odd(manifest: Manifest, sample: Sample, column: int) -> Problem | None:
        own, usual = scans[sample.channels[column]].channels, channels[column]
        if own == usual or {own, usual} == {1, 3}:
            return None
        return Problem(
            manifest.where(sample, column), f"has {own} channels where the column's other images have {usual}"
        )

    return _each(manifests, odd)


def _summary(manifest: Manifest, columns: list[list[FileScan]], channels: list[int], notes: list[str]) -> Fingerprint:
    first = columns[0]
    shapes = np.array([scan.shape for scan in first])
    extents = np.array([_canonical_order(scan) for scan in first])
    proportions = extents / extents.max(axis=1, keepdims=True)
    kinds = Counter(scan.dtype for scans in columns for scan in scans)
    if len(kinds) > 1:
        notes.append(
            f"files of several number types: {listing(f'{kind} ({count})' for kind, count in kinds.most_common())}"
        )
    return Fingerprint(
        spatial_dims=shapes.shape[1],
        column_channels=tuple(channels),
        column_names=column_names(manifest),
        shape=tuple(int(length) for length in np.median(shapes, axis=0)),
        largest_extent=tuple(float(length) for length in extents.max(axis=0)),
        same_aspect=bool((np.ptp(proportions, axis=0) < 0.05).all()),
        low=_medians(columns, channels, "low"),
        high=_medians(columns, channels, "high"),
        dtype=kinds.most_common(1)[0][0],
        physical=all(scan.physical for scan in first),
        modality=_modality(columns),
        notes=tuple(notes),
    )


def _modality(columns: list[list[FileScan]]) -> str:
    every = [scan for scans in columns for scan in scans]
    if all(scan.in_hounsfield for scan in every):
        return "CT"
    stated = Counter(scan.modality for scan in every if scan.modality != "CT")
    return stated.most_common(1)[0][0] if stated else ""


def _canonical_order(scan: FileScan) -> list[float]:
    """Return the size of an image along each axis, in mm where known; volumes with axes in the order R, A, S."""
    from nibabel.orientations import io_orientation

    if not scan.physical:
        return [float(length) for length in scan.shape]
    sizes = [length * spacing for length, spacing in zip(scan.shape, scan.geometry.spacing, strict=True)]
    if len(sizes) < 3:
        return sizes
    return [sizes[axis] for axis in np.argsort(io_orientation(np.array(scan.affine))[:, 0])]


def _medians(columns: list[list[FileScan]], channels: list[int], side: str) -> tuple[float, ...]:
    values: list[float] = []
    for scans, count in zip(columns, channels, strict=True):
        per_file = [getattr(scan, side) for scan in scans]
        own = [value if len(value) == count else (value[0],) * count for value in per_file]
        values += np.median(np.array(own, dtype=float), axis=0).tolist()
    return tuple(values)


def column_names(manifest: Manifest) -> tuple[str, ...]:
    """Return what tells the files of each column apart (``t1``, ``flair``), else ``channel_0`` and so on."""
    names = [
        _common_ending([sample.channels[column] for sample in manifest.samples])
        for column in range(manifest.num_columns)
    ]
    if len(set(names)) < len(names) or not all(names):
        return tuple(f"channel_{column}" for column in range(manifest.num_columns))
    return tuple(names)


def _common_ending(paths: list[Path]) -> str:
    """Return the words that end all files' names, before the first dot: ``t1`` for ``a_t1.nii.gz, b_t1.nii.gz``."""
    names = [[word for word in re.split(r"[^A-Za-z0-9]+", path.name.split(".")[0]) if word] for path in paths]
    shared: list[str] = []
    for words in zip(*(reversed(name) for name in names), strict=False):
        if len(set(words)) > 1:
            break
        shared.insert(0, words[0])
    return "-".join(shared)
