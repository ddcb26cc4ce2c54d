"""What a data set is: dimensions, channels, sizes, units."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from gandlf_synth.data.formats.scan import FileScan, Scans
from gandlf_synth.data.inspection.consistency import check_channels, check_images
from gandlf_synth.data.inspection.frames import other_frames
from gandlf_synth.data.inspection.units import Units, units_of
from gandlf_synth.data.table.manifest import Cell, Manifest, cells_of
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any
from gandlf_synth.geometry import Geometry

_GREY_BELOW = 0.1
"""A colour picture with fewer coloured pixels than this share is a grey one with a mark on it."""
_SAME_SPACING = 0.01
"""By how much voxels may differ in size, headers being rounded."""


@dataclass(frozen=True)
class Fingerprint:
    """Facts of a data set, before any preprocessing.

    Args:
        spatial_dims: 2 or 3.
        column_channels: channels of each channel column; a grey picture stored as RGB counts as one.
        column_names: what tells the columns' files apart.
        shape: median voxels along each axis, in the order in which ``to_canonical`` lays them.
        smallest_shape: the fewest voxels along each axis.
        largest_shape: the most voxels along each axis.
        largest_extent: the largest size along each axis, in mm where known, else in voxels.
        same_aspect: whether all images have the same proportions, within 5 %.
        low, high: per channel, medians of the images' 0.5th and 99.5th percentiles, in the files' units.
        dtype: the number type that holds the values of all files.
        physical: whether the files state sizes in millimetres.
        orientations: in which the axes run in the files that state a place, such as ``("LPS", "RAS")``.
        notes: what a person should know of it.
        units: of each channel column.
        modalities: of each channel column, as DICOM writes them: ``CT`` where values are Hounsfield units, else what
            all headers say; empty where that is nothing.
        source_channels: channels of each source column.
        source_names: what tells the sources' files apart.
        source_units: of each source column.
        mask_labels: the labels that occur in the masks of the first split, 0 among them; empty without masks.
        spacing: the size of a voxel along each axis that all images share, in mm, or 1 for pictures of one size; empty
            where they differ.
    """

    spatial_dims: int
    column_channels: tuple[int, ...]
    column_names: tuple[str, ...]
    shape: tuple[int, ...]
    smallest_shape: tuple[int, ...]
    largest_shape: tuple[int, ...]
    largest_extent: tuple[float, ...]
    same_aspect: bool
    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str
    physical: bool
    orientations: tuple[str, ...]
    notes: tuple[str, ...]
    units: tuple[Units, ...]
    modalities: tuple[str, ...] = ()
    source_channels: tuple[int, ...] = ()
    source_names: tuple[str, ...] = ()
    source_units: tuple[Units, ...] = ()
    mask_labels: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()

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
    check_images(manifests, scans)
    cells, source_cells = cells_of(manifests, "Channel"), cells_of(manifests, "Source")
    if not cells:
        what = "has no image in Channel_0, and there is nothing to learn from sources alone"
        raise DataError(Problem(str(manifests[0].path), what, "Channel_0: the images that are to be generated"))
    raise_if_any(_empty_sources(manifests[0], source_cells), DataError)
    columns, sources = ([[scans[cell.path] for cell in column] for column in part] for part in (cells, source_cells))
    channels, notes = _column_channels("Channel", columns)
    source_channels, source_notes = _column_channels("Source", sources)
    check_channels([*cells, *source_cells], scans, [*channels, *source_channels])
    if apart := other_frames(manifests, scans):
        rows = listing(dict.fromkeys(f"row {finding.row}" for finding in apart))
        notes.append(f"images in different frames of reference, so that places cannot be compared: {rows}")
    facts = _summary(manifests[0], columns, channels, units_of(cells, scans), [*notes, *source_notes])
    return replace(
        facts,
        source_channels=tuple(source_channels),
        source_names=_told_apart([[cell.path for cell in column] for column in source_cells], "source"),
        source_units=units_of(source_cells, scans),
        mask_labels=_mask_labels([scans[cell.path] for column in cells_of(manifests[:1], "Mask") for cell in column]),
    )


def _empty_sources(manifest: Manifest, columns: Sequence[Sequence[Cell]]) -> list[Problem]:
    filled = {cells[0].column for cells in columns}
    empty = [name for number in range(manifest.num_sources) if (name := f"Source_{number}") not in filled]
    fix = "remove the column, or fill it in some rows"
    return [Problem(f"{manifest.path} column {name}", "is empty in all rows", fix=fix) for name in empty]


def _mask_labels(scans: Sequence[FileScan]) -> tuple[int, ...]:
    """Return the labels of all masks together; those of masks with fractions are not known."""
    return tuple(sorted({0, *(label for scan in scans for label in scan.labels)})) if scans else ()


def _column_channels(kind: str, columns: list[list[FileScan]]) -> tuple[list[int], list[str]]:
    channels, notes = [], []
    for number, scans in enumerate(columns):
        counts = {scan.channels for scan in scans}
        coloured = sum(scan.colour_fraction >= _GREY_BELOW for scan in scans)
        if not counts <= {1, 3} or 3 not in counts:
            channels.append(max(counts, key=lambda count: sum(scan.channels == count for scan in scans)))
        elif coloured:
            channels.append(3)
            if coloured < len(scans):
                notes.append(f"{kind}_{number}: {coloured} of {len(scans)} pictures are in colour, so all count as RGB")
        else:
            channels.append(1)
            marked = sum(scan.colour_fraction > 0 for scan in scans)
            stored = sum(scan.channels == 3 for scan in scans)
            notes.append(
                f"{kind}_{number}: {stored} of {len(scans)} pictures store grey as RGB and count as one channel"
            )
            if marked:
                notes.append(f"{kind}_{number}: {marked} of them hold some coloured pixels (marks?), used as grey")
    return channels, notes


def _summary(
    manifest: Manifest,
    columns: list[list[FileScan]],
    channels: list[int],
    units: tuple[Units, ...],
    notes: list[str],
) -> Fingerprint:
    first = columns[0]
    grids = [_canonical_grid(scan) for scan in first]
    shapes = np.array([grid.shape for grid in grids])
    extents = shapes * [grid.spacing if grid.physical else np.ones(len(grid.shape)) for grid in grids]
    proportions = extents / extents.max(axis=1, keepdims=True)
    types = Counter(scan.dtype for scans in columns for scan in scans)
    number_type = str(np.result_type(*types))
    if len(types) > 1:
        counts = listing(f"{name} ({count})" for name, count in types.most_common())
        notes = [*notes, f"files of several number types: {counts}; synthetic ones hold {number_type}"]
    return Fingerprint(
        spatial_dims=shapes.shape[1],
        column_channels=tuple(channels),
        column_names=column_names(manifest),
        shape=tuple(int(length) for length in np.median(shapes, axis=0)),
        smallest_shape=tuple(int(length) for length in shapes.min(axis=0)),
        largest_shape=tuple(int(length) for length in shapes.max(axis=0)),
        largest_extent=tuple(float(length) for length in extents.max(axis=0)),
        same_aspect=bool((np.ptp(proportions, axis=0) < 0.05).all()),
        low=_medians(columns, channels, "low"),
        high=_medians(columns, channels, "high"),
        dtype=number_type,
        physical=all(scan.physical for scan in first),
        orientations=tuple(sorted({scan.geometry.orientation for scan in first if scan.physical})),
        units=units,
        modalities=tuple(_modality(scans, unit) for scans, unit in zip(columns, units, strict=True)),
        notes=tuple(notes),
        spacing=_shared_spacing(grids),
    )


def _shared_spacing(grids: Sequence[Geometry]) -> tuple[float, ...]:
    """Return the size of a voxel that all images share; nothing where images differ in it, or pictures in size."""
    first = grids[0]
    if not all(grid.physical for grid in grids):
        return (1.0,) * first.spatial_dims if all(grid.shape == first.shape for grid in grids) else ()
    spacings = np.array([grid.spacing for grid in grids])
    shared = np.ptp(spacings, axis=0) <= _SAME_SPACING * spacings.min(axis=0)
    return tuple(np.median(spacings, axis=0).tolist()) if shared.all() else ()


def _modality(scans: Sequence[FileScan], units: Units) -> str:
    """Return the modality of a column; where headers say CT and the values are no Hounsfield units, it is unknown."""
    if units.unit == "hounsfield":
        return "CT"
    stated = {scan.modality for scan in scans}
    return "" if len(stated) > 1 or stated == {"CT"} else stated.pop()


def _canonical_grid(scan: FileScan) -> Geometry:
    """Return the grid of an image with its axes as ``to_canonical`` lays them."""
    return scan.geometry.reordered(scan.geometry.canonical_axes)


def _medians(columns: list[list[FileScan]], channels: list[int], side: Literal["low", "high"]) -> tuple[float, ...]:
    medians: list[float] = []
    for scans, count in zip(columns, channels, strict=True):
        values = [scan.low if side == "low" else scan.high for scan in scans]
        per_channel = [value if len(value) == count else (value[0],) * count for value in values]
        medians += np.median(np.array(per_channel, dtype=float), axis=0).tolist()
    return tuple(medians)


def column_names(manifest: Manifest) -> tuple[str, ...]:
    """Return what tells the files of each column apart (``t1``, ``flair``), else ``channel_0`` and so on."""
    cells = cells_of([manifest], "Channel")
    return _told_apart([[cell.path for cell in column] for column in cells], "channel")


def _told_apart(columns: Sequence[list[Path]], kind: str) -> tuple[str, ...]:
    names = [_common_ending(column) for column in columns]
    if len(set(names)) < len(names) or not all(names):
        return tuple(f"{kind}_{number}" for number in range(len(columns)))
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
