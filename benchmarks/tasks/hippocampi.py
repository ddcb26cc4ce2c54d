"""Hippocampi with their labels, as planes or whole: pairs to learn from, and masks that no patient has."""

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
class Labelled:
    """A plane of a subject, or a whole volume.

    Args:
        subject: whose.
        number: of the plane within the subject.
        image: values of the scanner, ``(x, y)`` or ``(x, y, z)``.
        mask: 0, 1 and 2.
    """

    subject: str
    number: int
    image: Array
    mask: Array

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.subject}_{self.number}"


def read_hippocampi(dimensions: int) -> tuple[list[Labelled], list[Labelled]]:
    """Return the planes (2) or volumes (3) of 80 subjects to learn from, and those of 40 others."""
    folders = _folders()[: _TEST + _TRAIN]
    order = np.random.default_rng(0).permutation(len(folders))
    train, test = ([folders[place] for place in order[part]] for part in (slice(_TEST, None), slice(_TEST)))
    return _read_all(train, dimensions), _read_all(test, dimensions)


def read_others(dimensions: int) -> list[Labelled]:
    """Return the planes or volumes of as many subjects as are learned from, who are in neither set."""
    return _read_all(_folders()[_TEST + _TRAIN :][:_TRAIN], dimensions)


def _folders() -> list[Path]:
    return sorted(path.parent for path in (SHARED / "hippocampus_mri_3d").glob("*/label.nii.gz"))


def _read_all(folders: Sequence[Path], dimensions: int) -> list[Labelled]:
    return [one for folder in folders for one in _read(folder, dimensions)]


def _read(folder: Path, dimensions: int) -> Iterator[Labelled]:
    image, label = (
        nibabel.as_closest_canonical(nibabel.load(folder / f"{name}.nii.gz")) for name in ("image", "label")
    )
    values = np.asarray(image.dataobj, np.float32).squeeze()
    labels = np.asarray(label.dataobj).squeeze().astype(np.uint8)
    if dimensions == 3:
        yield Labelled(folder.name, 0, values, labels)
        return
    inside = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    for number, place in enumerate(np.quantile(inside, np.linspace(0.25, 0.75, _PLANES)).astype(int)):
        yield Labelled(folder.name, number, values[place], labels[place])


def hippocampus(one: Labelled) -> Array:
    """Return the mask as it is."""
    return one.mask


def with_tissues(one: Labelled) -> Array:
    """Return the mask with what surrounds the hippocampus sorted into four classes by its brightness.

    Thresholds are those of Otsu; single voxels join their surroundings.
    """
    smooth = ndimage.median_filter(one.image, 3)
    return _beside(one.mask, np.digitize(smooth, threshold_multiotsu(smooth, _TISSUES)))


def with_eight_tissues(one: Labelled) -> Array:
    """Return the mask with what surrounds the hippocampus in eight classes of brightness, of equally many voxels."""
    smooth = ndimage.median_filter(one.image, 3)
    return _beside(one.mask, np.digitize(smooth, np.quantile(smooth, np.linspace(0, 1, 9)[1:-1])))


def _beside(mask: Array, classes: Array) -> Array:
    return np.where(mask > 0, mask, classes + _FIRST_TISSUE).astype(np.uint8)


def deform(masks: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Return label maps of one plane or volume, moved alike by smooth random shifts: up to about three voxels."""
    shape = masks[0].shape
    shifts = [ndimage.gaussian_filter(rng.normal(size=shape), 6, mode="nearest") for _ in shape]
    places = [grid + 1.5 * shift / shift.std() for grid, shift in zip(np.indices(shape), shifts, strict=True)]
    return [ndimage.map_coordinates(mask, places, order=0, mode="nearest") for mask in masks]


def write_labelled(folder: Path, name: str, values: Array) -> Path:
    """Write a volume, or a plane as a file of one voxel's thickness."""
    return write_image(folder / f"{name}.nii.gz", values if values.ndim == 3 else values[..., None], np.eye(4))
