"""How well two segmentations agree: Dice and the 95 % Hausdorff distance of every structure, by MONAI."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gandlf_synth.evaluation.paired.comparison import Overlap
from gandlf_synth.evaluation.paired.segmenter import Labels

_PERCENT = 95


@dataclass(frozen=True)
class StructureOverlap:
    """How well one structure agrees.

    Args:
        label: its number.
        dice: from 0 to 1.
        hd95: in millimetres; nan where one segmentation lacks the structure.
    """

    label: int
    dice: float
    hd95: float


def compare_segmentations(
    reference: Labels, other: Labels, spacing: Sequence[float], rule: Overlap, subject: str = ""
) -> list[StructureOverlap]:
    """Return the overlap of every structure that counts.

    Args:
        reference: what is right, ``(*shape)``; 0 is background.
        other: what is compared with it.
        spacing: of the voxels, in millimetres.
        rule: which structures count.
        subject: its second and third letter may name a region of the body.

    >>> reference, other = np.zeros((8, 8), int), np.zeros((8, 8), int)
    >>> reference[2:6, 2:6], other[2:6, 2:4] = 1, 1
    >>> [(found.label, round(found.dice, 3)) for found in compare_segmentations(reference, other, (1, 1), Overlap())]
    [(1, 0.667)]
    """
    counted = rule.regions.get(subject[1:3].upper())
    present = np.unique(reference) if rule.structures == "reference" else np.union1d(reference, other)
    labels = [int(label) for label in present if label and (counted is None or label in counted)]
    return [_structure(reference == label, other == label, spacing, label) for label in labels]


def _structure(
    reference: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    other: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    spacing: Sequence[float],
    label: int,
) -> StructureOverlap:
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    one, two = (torch.from_numpy(np.ascontiguousarray(each))[None, None] for each in (reference, other))
    dice = float(compute_dice(two.float(), one.float(), include_background=True, ignore_empty=False))
    if not (reference.any() and other.any()):
        return StructureOverlap(label, dice, float("nan"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI warns of an argument that it gives itself
        distance = compute_hausdorff_distance(
            two, one, include_background=True, percentile=_PERCENT, spacing=list(spacing)
        )
    return StructureOverlap(label, dice, float(distance))
