"""The images of the benchmark, written as files that the commands read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.data import SHARED

Array = npt.NDArray[np.float32]

PATIENTS = ("patient07", "patient19", "patient26")
SEQUENCES = ("t1", "t1ce", "t2", "flair")
_HEIGHTS = range(25, 69, 2)
"""Axial planes with brain, 4 mm apart."""


def read_sequence(patient: str, sequence: str) -> tuple[Array, Array]:
    """Return a volume in [0, 1] (the 99.9th percentile of the brain is 1), and its affine."""
    image = nibabel.load(SHARED / "ms_multimodal_mri_3d" / patient / f"{sequence}.nii.gz")
    values = np.asarray(image.dataobj, np.float32)
    if sequence != "seg":
        values = np.clip(values / np.percentile(values[values > 0], 99.9), 0, 1)
    return values, image.affine


def write_image(file: Path, values: npt.NDArray[Any], affine: npt.NDArray[Any] | None = None) -> Path:
    """Write an array as NIfTI."""
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 2, 2, 1]) if affine is None else affine), file)
    return file


def write_slices(folder: Path) -> dict[tuple[str, int], dict[str, Path]]:
    """Write axial planes of three patients: the files of each patient and height, by sequence, and the lesions."""
    files: dict[tuple[str, int], dict[str, Path]] = {}
    for patient in PATIENTS:
        for sequence in (*SEQUENCES, "seg"):
            values, _ = read_sequence(patient, sequence)
            for height in _HEIGHTS:
                file = folder / f"{patient}_{height}_{sequence}.nii.gz"
                files.setdefault((patient, height), {})[sequence] = write_image(file, values[..., height : height + 1])
    return files


def write_volumes(folder: Path) -> dict[str, dict[str, Path]]:
    """Write the whole volumes in [0, 1]: the files of each patient by sequence."""
    return {
        patient: {
            sequence: write_image(folder / f"{patient}_{sequence}.nii.gz", *read_sequence(patient, sequence))
            for sequence in (*SEQUENCES, "seg")
        }
        for patient in PATIENTS
    }


def write_means(folder: Path, originals: Sequence[tuple[int, Path]]) -> dict[int, Path]:
    """Write the mean of the images of each height: what a model that learns nothing of its source can know."""
    heights = sorted({height for height, _ in originals})
    return {
        height: write_image(
            folder / f"mean_{height}.nii.gz",
            np.stack([nibabel.load(file).get_fdata() for at, file in originals if at == height]).mean(axis=0),
        )
        for height in heights
    }


def discs(shape: tuple[int, ...], brain: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a hole of radius 9 about a voxel of the brain."""
    deep = ndimage.binary_erosion(brain, iterations=8)
    centers = np.argwhere(deep if deep.any() else brain)
    center = centers[rng.integers(len(centers))]
    distances = np.sqrt(sum((axis - at) ** 2 for axis, at in zip(np.indices(shape), center, strict=True)))
    hole: npt.NDArray[np.uint8] = (distances <= 9).astype(np.uint8)
    return hole


def template_contrasts() -> tuple[Array, Array]:
    """Return two contrasts of one head, ``(x, y, z)`` in [0, 1]: the MNI template, and one made of its tissues.

    The second one has bright fluid and grey matter brighter than white.
    """
    from nilearn import datasets

    first = datasets.load_mni152_template(resolution=2).get_fdata(dtype=np.float32)
    gray = datasets.load_mni152_gm_template(resolution=2).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=2).get_fdata(dtype=np.float32)
    brain = datasets.load_mni152_brain_mask(resolution=2).get_fdata(dtype=np.float32)
    fluid = np.clip(brain - gray / max(gray.max(), 1e-6) - white / max(white.max(), 1e-6), 0, 1)
    second = 0.55 * gray / gray.max() + 0.3 * white / white.max() + 0.95 * fluid
    return np.clip(first / first.max(), 0, 1) * brain, np.clip(second, 0, 1).astype(np.float32)
