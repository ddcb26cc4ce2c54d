"""Reads DICOM segmentations (PS3.3 A.51) as label maps: the number of a voxel's segment, 0 where it has none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers.base import UnreadableError
from gandlf_synth.data.formats.readers.dicom_file import discreet, frame_groups, value_of
from gandlf_synth.data.formats.readers.dicom_places import frame_affines
from gandlf_synth.data.formats.readers.dicom_values import pixels_of
from gandlf_synth.geometry import Affine

if TYPE_CHECKING:
    from pydicom import Dataset

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage."""
_DECIMALS = 3
"""Of millimetres, to which the frames of one slice agree."""


@dataclass(frozen=True)
class LabelPlanes:
    """The slices of a label map, in the order of the file.

    Args:
        planes: ``(1, columns, rows)`` each.
        places: the affine of each.
    """

    planes: Sequence[Values]
    places: Sequence[Affine]


def is_segmentation(dataset: "Dataset") -> bool:
    """Say whether a file holds segments instead of an image."""
    return str(value_of(dataset, "SOPClassUID")) in _SEGMENTATIONS


@discreet()
def label_planes(dataset: "Dataset", path: Path) -> LabelPlanes:
    """Return the label of every voxel of a segmentation.

    Raises:
        UnreadableError: it holds probabilities, segments overlap, or frames have no place.
    """
    kind = str(value_of(dataset, "SegmentationType") or "BINARY")
    if kind == "FRACTIONAL":
        raise UnreadableError("holds fractions of segments", "a binary segmentation or a label map")
    frames, places = pixels_of(dataset, path), frame_affines(dataset)
    if places is not None and len(frames) == 1:
        places = places[:1]  # what was cut out of a longer file may describe all of its frames
    if places is None or len(places) != len(frames):
        raise UnreadableError("is a segmentation that does not say where its frames lie")
    largest = max((int(segment.SegmentNumber) for segment in dataset.SegmentSequence), default=0)
    holding = np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
    labels: dict[tuple[float, ...], Values] = {}
    affines: dict[tuple[float, ...], Affine] = {}
    for frame, place, number in zip(frames, places, _numbers(dataset, len(frames), kind), strict=True):
        key = tuple(place[:3, 3].round(_DECIMALS).tolist())
        affines.setdefault(key, place)
        plane = labels.setdefault(key, np.zeros(frame.shape, holding))
        inside = frame != 0
        if (plane[inside] != 0).any():
            raise UnreadableError("has segments that overlap", "one label for each voxel", "save each as a file")
        plane[inside] = frame[inside] if number is None else number
    return LabelPlanes(list(labels.values()), list(affines.values()))


def _numbers(dataset: "Dataset", count: int, kind: str) -> list[int | None]:
    """Return the segment of each frame; None where the frames hold the numbers themselves."""
    if kind == "LABELMAP":
        return [None] * count
    groups = frame_groups(dataset)
    return [int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber) for group in groups[:count]]
