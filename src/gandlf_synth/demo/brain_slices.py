"""Real brain images out of nilearn's wheel: the MNI152 T1 template (Fonov et al. 2011) as slices or as blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
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
_LIKELY = 100
"""Of 255, what a tissue must reach to be the label of a voxel."""
_MIDDLE = (0.12, 0.88)
"""Which part of the brain's extent along an axis gives slices; further out there is hardly any tissue."""


@dataclass(frozen=True)
class Slice:
    """A slice of the template.

    Args:
        name: plane and position in mm.
        t1: the image, ``(columns, rows)``.
        tissue: 0 neither, 1 grey matter, 2 white matter.
        affine: voxels to mm in RAS+.
    """

    name: str
    t1: NDArray[np.uint8]
    tissue: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def write(self, folder: Path) -> None:
        """Write the slice and its map of tissue into ``folder``."""
        self.write_map(folder / "t1.nii.gz", self.t1)
        self.write_map(folder / "tissue.nii.gz", self.tissue)

    def write_map(self, path: Path, voxels: NDArray[np.uint8], step: int = 1) -> Path:
        """Write ``voxels`` of the slice, one of which covers ``step`` along each axis; return the file."""
        import nibabel as nib

        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, :2].sum(axis=1) * (step - 1) / 2
        affine[:, :2] *= step
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels, affine), path)
        return path


def write_slices(folder: Path) -> int:
    """Write 2D NIfTI slices of three planes as ``<plane>/<plane>_<mm>/t1.nii.gz``; return their number."""
    volume, affine = _brain(_TEMPLATE)
    count = 0
    for plane in _PLANES:
        for each in _slices(plane, volume, volume, affine):
            each.write_map(folder / plane / each.name / "t1.nii.gz", each.t1)
            count += 1
    return count


def slices_with_tissue(plane: str = "axial") -> list[Slice]:
    """Return the slices of a plane with the tissue that is likeliest in each voxel."""
    volume, affine = _brain(_TEMPLATE)
    inside = _brain_box(_TEMPLATE)
    grey, white = (_voxels(_TEMPLATE.replace("_t1_", f"_{short}_"))[inside] for short in ("gm", "wm"))
    tissue = np.where(np.maximum(grey, white) < _LIKELY, 0, np.where(white > grey, 2, 1)).astype(np.uint8)
    return list(_slices(plane, volume, tissue, affine))


def _slices(
    plane: str, volume: NDArray[np.uint8], tissue: NDArray[np.uint8], affine: NDArray[np.float64]
) -> Iterator[Slice]:
    axis = _PLANES[plane]
    others = [dimension for dimension in range(3) if dimension != axis]
    in_plane = affine[:, [*others, axis, 3]]
    for index in _positions(volume.shape[axis]):
        position = affine @ np.eye(4)[axis] * index + affine[:, 3]
        in_plane[:3, 3] = position[:3]
        name = f"{plane}_{position[axis]:+04.0f}mm"
        yield Slice(name, np.take(volume, index, axis), np.take(tissue, index, axis), in_plane.copy())


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
    inside, affine = _brain_box(name), _image(name).affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in inside]
    return _voxels(name)[inside], affine


def _brain_box(name: str) -> tuple[slice, ...]:
    """Return the part of a template that holds anything."""
    inside = np.argwhere(_voxels(name) > 0)
    return tuple(map(slice, inside.min(axis=0).tolist(), (inside.max(axis=0) + 1).tolist()))


def _voxels(name: str) -> NDArray[np.uint8]:
    return np.asarray(_image(name).dataobj, dtype=np.uint8)


def _image(name: str) -> Any:
    import nibabel as nib

    if not find_spec("nilearn"):
        raise MissingExtraError("gandlf-synth demo", "nilearn", "demo")
    return nib.as_closest_canonical(nib.load(str(files("nilearn") / "datasets" / "data" / name)))
