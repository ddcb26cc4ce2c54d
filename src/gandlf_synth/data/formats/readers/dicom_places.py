"""Where the frames of a DICOM file lie."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gandlf_synth.data.formats.readers.base import UnreadableError
from gandlf_synth.data.formats.readers.dicom_file import discreet, frame_groups, frames_of, value_of
from gandlf_synth.geometry import LPS_FROM_RAS, Affine

if TYPE_CHECKING:
    from pydicom import Dataset

_VOLUME_POINTERS = frozenset({0x00200032, 0x00182005, 0x00540080, 0x3004000C})
"""What tells the frames of a volume apart (PS3.3 C.7.6.6): position, location, slice or grid offset, and not time."""
_SAME = 1e-3


@discreet()
def frame_affines(dataset: "Dataset") -> list[Affine] | None:
    """Return where each frame lies: its affine, voxel → mm, RAS+, whose third axis is the plane's normal.

    Enhanced files state one place per frame. Others state that of the first, in nuclear medicine that of the detector,
    and how the others follow: dose grids by an offset each (PS3.3 C.8.8.3.2), the rest by a distance, whose sign says
    on which side of the first plane the next one lies (C.8.4.15).

    Returns:
        One per frame, or None where the file does not say.

    Raises:
        UnreadableError: the places are stated and make no sense.
    """
    groups = frame_groups(dataset)
    if groups and all(value_of(group, "PlanePositionSequence") for group in groups):
        return [_enhanced_affine(group) for group in groups]
    detector = value_of(dataset, "DetectorInformationSequence")
    sources = [dataset, *(detector or [])[:1]]
    position, orientation = (_first(sources, f"Image{name}Patient") for name in ("Position", "Orientation"))
    spacing = pixel_spacing(dataset)
    if position is None or orientation is None or spacing is None:
        return None
    first = _plane(position, orientation, spacing[::-1])
    offsets = _offsets(dataset, first)
    return None if offsets is None else [_shifted(first, offset) for offset in offsets]


def _first(sources: "list[Dataset]", name: str) -> Any:
    values = (value_of(source, name) for source in sources)
    return next((value for value in values if value is not None), None)


def _offsets(dataset: "Dataset", first: Affine) -> list[float] | None:
    """Return how far along the normal each frame lies from the first, in millimetres."""
    frames = frames_of(dataset)
    if frames == 1:
        return [0.0]
    grid = value_of(dataset, "GridFrameOffsetVector")
    if grid is not None and len(grid) == frames:
        return _grid_offsets([float(offset) for offset in grid], first)
    step = value_of(dataset, "SpacingBetweenSlices")
    if step is None or not float(step) or not _is_volume(dataset, frames):
        return None
    slices = value_of(dataset, "SliceVector") or range(1, frames + 1)
    return [float(step) * (int(number) - 1) for number in slices]


def _grid_offsets(grid: list[float], first: Affine) -> list[float] | None:
    """Return offsets along the normal of a dose grid, which states them, or else the heights of its axial planes."""
    if grid[0] == 0:
        return grid
    height, upwards = first[2, 3], first[2, 2]
    if abs(grid[0] - height) > _SAME or abs(abs(upwards) - 1) > _SAME:
        return None
    return [(value - grid[0]) * upwards for value in grid]


def _is_volume(dataset: "Dataset", frames: int) -> bool:
    """Say whether frames differ in their place alone, and not in time, energy or detector."""
    pointers = value_of(dataset, "FrameIncrementPointer")
    if pointers is None:
        return True
    names = list(pointers) if isinstance(pointers, Sequence) else [pointers]
    slices = value_of(dataset, "NumberOfSlices")
    return {int(name) for name in names} <= _VOLUME_POINTERS and slices in (None, frames)


def _enhanced_affine(group: "Dataset") -> Affine:
    position = group.PlanePositionSequence[0].ImagePositionPatient
    orientation = group.PlaneOrientationSequence[0].ImageOrientationPatient
    return _plane(position, orientation, group.PixelMeasuresSequence[0].PixelSpacing)


def _plane(position: Any, orientation: Any, spacing: Any) -> Affine:
    """Return the affine of one frame (PS3.3 C.7.6.2.1.1, in RAS+ instead of LPS+)."""
    along_row, along_column = np.array(orientation[:3], float), np.array(orientation[3:6], float)
    affine = np.eye(4)
    affine[:3, 0] = along_row * float(spacing[1])
    affine[:3, 1] = along_column * float(spacing[0])
    affine[:3, 2] = np.cross(along_row, along_column)
    affine[:3, 3] = np.array(position, float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnreadableError("states a position, orientation or pixel spacing that spans no plane")
    placed: Affine = LPS_FROM_RAS @ affine
    return placed


def _shifted(affine: Affine, offset: float) -> Affine:
    moved = affine.copy()
    moved[:3, 3] += affine[:3, 2] * offset
    return moved


@discreet()
def pixel_spacing(dataset: "Dataset") -> tuple[float, float] | None:
    """Return the millimetres between columns and between rows where the file states them, for projections too."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = value_of(dataset, name)
        if value is not None:
            rows, columns = (float(step) for step in value)
            return (columns, rows) if min(rows, columns) > 0 else None
    return None
