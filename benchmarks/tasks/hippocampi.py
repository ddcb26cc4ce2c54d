"""Planes of hippocampi with their labels: pairs to learn from, and masks that no patient has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from benchmarks.data import SHARED
from benchmarks.tasks.cohorts import write_image

Array = npt.NDArray[Any]

_PLANES = 3
"""Sagittal planes of each subject, evenly through the hippocampus."""
_TEST, _TRAIN = 40, 80
_FIRST_TISSUE = 3
"""The labels of the hippocampus are 1 (anterior) and 2 (posterior)."""
_TISSUES = 4


@dataclass(frozen=True)
class Plane:
    """A plane of a subject.

    Args:
        subject: whose.
        number: of the plane within the subject.
        image: values of the scanner, ``(x, y)``.
        mask: 0, 1 and 2.
    """

    subject: str
    number: int
    image: Array
    mask: Array

    @property
    def name(self) -> str:
        """Name of the plane's files."""
        return f"{self.subject}_{self.number}"


def read_planes() -> tuple[list[Plane], list[Plane]]:
    """Return the planes to learn from, and those of 40 other subjects."""
    folders = sorted(path.parent for path in (SHARED / "hippocampus_mri_3d").glob("*/label.nii.gz"))[: _TEST + _TRAIN]
    order = np.random.default_rng(0).permutation(len(folders))
    train, test = ([folders[place] for place in order[part]] for part in (slice(_TEST, None), slice(_TEST)))
    return [plane for folder in train for plane in _planes(folder)], [p for folder in test for p in _planes(folder)]


def _planes(folder: Path) -> Iterator[Plane]:
    image, label = (
        nibabel.as_closest_canonical(nibabel.load(folder / f"{name}.nii.gz")) for name in ("image", "label")
    )
    values, labels = np.asarray(image.dataobj, np.float32).squeeze(), np.asarray(label.dataobj).squeeze()
    inside = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    for number, place in enumerate(np.quantile(inside, np.linspace(0.25, 0.75, _PLANES)).astype(int)):
        yield Plane(folder.name, number, values[place], labels[place].astype(np.uint8))


def with_tissues(plane: Plane) -> Array:
    """Return the mask with what surrounds the hippocampus sorted into four classes by its brightness.

    Thresholds are those of Otsu; single voxels join their surroundings.
    """
    smooth = ndimage.median_filter(plane.image, 3)
    classes = np.digitize(smooth, threshold_multiotsu(smooth, _TISSUES)) + _FIRST_TISSUE
    return np.where(plane.mask > 0, plane.mask, classes).astype(np.uint8)


def deform(masks: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Return label maps of one plane, moved alike by smooth random shifts: up to about three voxels."""
    shape = masks[0].shape
    shifts = [ndimage.gaussian_filter(rng.normal(size=shape), 6, mode="nearest") for _ in shape]
    places = [grid + 1.5 * shift / shift.std() for grid, shift in zip(np.indices(shape), shifts, strict=True)]
    return [ndimage.map_coordinates(mask, places, order=0, mode="nearest") for mask in masks]


def write_plane(folder: Path, name: str, values: Array) -> Path:
    """Write a plane as a file of one voxel's thickness."""
    return write_image(folder / f"{name}.nii.gz", values[..., None], np.eye(4))
