"""Real brain images out of nilearn's wheel: the MNI152 T1 template (Fonov et al. 2011) as slices or as blocks."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.errors import MissingExtraError

_TEMPLATE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
_TISSUES = {"grey_matter": "gm", "t1": "t1", "white_matter": "wm"}
_PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
_MIDDLE = (0.12, 0.88)
"""Which part of the brain's extent along an axis gives slices; further out there is hardly any tissue."""


def write_slices(folder: Path) -> int:
    """Write 2D NIfTI slices of three planes as ``<plane>/<plane>_<mm>/t1.nii.gz``; return their number."""
    import nibabel as nib

    volume, affine = _brain(_TEMPLATE)
    count = 0
    for plane, axis in _PLANES.items():
        others = [dimension for dimension in range(3) if dimension != axis]
        in_plane = affine[:, [*others, axis, 3]]
        for index in _positions(volume.shape[axis]):
            position = affine @ np.eye(4)[axis] * index + affine[:, 3]
            in_plane[:3, 3] = position[:3]
            subject = f"{plane}_{position[axis]:+04.0f}mm"
            path = folder / plane / subject / "t1.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.take(volume, index, axis), in_plane.copy()), path)
            count += 1
    return count


def write_blocks(folder: Path) -> int:
    """Write 3D NIfTI blocks of three tissue maps as ``<tissue>/<tissue>_<number>/map.nii.gz``; return their number.

    Each is the whole brain at 4 mm, turned by a few degrees and shifted by a few millimetres: one brain gives no more.
    """
    import nibabel as nib
    from scipy import ndimage

    count = 0
    for tissue, short in _TISSUES.items():
        volume, affine = _brain(_TEMPLATE.replace("_t1_", f"_{short}_"))
        for number, (shift, angle) in enumerate(_poses()):
            moved = ndimage.shift(ndimage.rotate(volume, angle, axes=(0, 1), reshape=False, order=1), shift, order=1)
            coarse = ndimage.zoom(moved, 0.25, order=1, grid_mode=True, mode="nearest")
            coarse_affine = affine @ np.diag([4.0, 4.0, 4.0, 1.0])
            path = folder / tissue / f"{tissue}_{number:03d}" / "map.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(coarse.astype(np.uint8), coarse_affine), path)
            count += 1
    return count


def _poses() -> Iterator[tuple[tuple[float, float, float], float]]:
    rng = np.random.default_rng(0)
    for _ in range(40):
        yield tuple(rng.uniform(-6, 6, 3)), float(rng.uniform(-8, 8))


def _positions(length: int) -> range:
    return range(round(_MIDDLE[0] * length), round(_MIDDLE[1] * length))


def _brain(name: str) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a template volume in RAS+, cut to the head, and its affine."""
    import nibabel as nib

    if not find_spec("nilearn"):
        raise MissingExtraError("gandlf-synth demo", "nilearn", "demo")
    path = files("nilearn") / "datasets" / "data" / name
    image: Any = nib.as_closest_canonical(nib.load(str(path)))
    volume = np.asarray(image.dataobj, dtype=np.uint8)
    inside = np.argwhere(volume > 0)
    start, stop = inside.min(axis=0), inside.max(axis=0) + 1
    affine = image.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    return volume[tuple(slice(low, high) for low, high in zip(start, stop, strict=True))], affine
