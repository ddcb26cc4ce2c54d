"""Where the voxels of an image lie in the patient; the one place where conventions are converted.

Arrays are indexed ``(i, j, k)`` as in nibabel and ITK: the first axis runs along x of the file. A picture (PNG,
JPEG, TIFF) is indexed ``(column, row)`` for the same reason, so that it meets NIfTI without a transpose.
Affines map voxel indices to millimetres in RAS+ (to the patient's right, anterior, superior).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]

Voxels = NDArray[Any]
"""The values of an image, ``(channels, *spatial)`` unless said otherwise, in any number type."""

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns an RAS+ affine into ITK's and DICOM's LPS+, and back."""

_SCREEN = "LPI"
"""Where the axes of a slice run on a screen; a picture's columns and rows do."""


@dataclass(frozen=True)
class Geometry:
    """The grid of an image.

    Args:
        shape: voxels along each spatial axis, 2 or 3 of them.
        affine: 4×4, voxel index → millimetres, RAS+. A 2D image lies in the plane of its first two columns.
        physical: whether the file states a size in millimetres; a JPEG does not.
    """

    shape: tuple[int, ...]
    affine: Affine = field(default_factory=lambda: np.eye(4))
    physical: bool = True

    @property
    def spatial_dims(self) -> int:
        """The number of spatial axes, 2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between neighbouring voxels along each axis, in millimetres."""
        lengths = np.linalg.norm(self.affine[:3, : self.spatial_dims], axis=0)
        return tuple(float(length) for length in lengths)

    @property
    def orientation(self) -> str:
        """The direction in which each axis runs, such as ``"RAS"``."""
        from nibabel.orientations import aff2axcodes

        return "".join(aff2axcodes(self.affine))[: self.spatial_dims]

    @property
    def canonical_axes(self) -> NDArray[np.float64]:
        """How axes are reordered to lie as all images do, as nibabel's ``apply_orientation`` takes it.

        Volumes run to the patient's right, anterior and superior. A slice lies as on a screen: columns run to the
        patient's left, or backwards in a sagittal one, and rows run backwards, or down. Pictures lie so already. What
        states no place stays as it is.
        """
        from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

        dims = self.spatial_dims
        if not self.physical:
            return np.array([[axis, 1] for axis in range(dims)], np.float64)
        own = io_orientation(self.affine[:, [*range(dims), 3]])
        if dims == len(_SCREEN):
            return np.asarray(own)
        target = axcodes2ornt([_SCREEN[axis] for axis in np.sort(own[:, 0]).astype(int)])
        return np.asarray(ornt_transform(own, target))

    def reordered(self, axes: NDArray[np.float64]) -> "Geometry":
        """Return the grid with its axes reordered by ``axes``, in the form of ``canonical_axes``."""
        from nibabel.orientations import inv_ornt_aff

        dims = self.spatial_dims
        kept = [*range(dims), 3]
        affine = self.affine.copy()
        affine[:, kept] = self.affine[:, kept] @ inv_ornt_aff(axes, self.shape)
        order = np.argsort(axes[:, 0]).astype(int)
        return Geometry(tuple(self.shape[axis] for axis in order), affine, self.physical)

    def across(self, axis: int) -> "Geometry":
        """Return the grid of the first slice across ``axis`` of a volume."""
        order = [*(other for other in range(3) if other != axis), axis, 3]
        return Geometry(tuple(self.shape[other] for other in order[:2]), self.affine[:, order], self.physical)

    def matches(self, other: "Geometry", tolerance: float = 1e-2) -> bool:
        """Say whether both grids have the same voxels, up to ``tolerance`` millimetres at every corner."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self._corners() - other._corners()).max() <= tolerance)

    def resampled(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> "Geometry":
        """Return the grid of ``shape`` and ``spacing`` (mm) with the same orientation and centre as this one."""
        affine = self.affine.copy()
        ratio = np.array(spacing) / np.array(self.spacing)
        affine[:3, : self.spatial_dims] *= ratio
        centre = self._point((np.array(self.shape) - 1) / 2, self.affine)
        affine[:3, 3] += centre - self._point((np.array(shape) - 1) / 2, affine)
        return Geometry(shape, affine, self.physical)

    def cropped(self, start: tuple[int, ...], shape: tuple[int, ...]) -> "Geometry":
        """Return the grid of ``shape`` whose first voxel is this grid's voxel ``start`` (negative: padded)."""
        affine = self.affine.copy()
        affine[:3, 3] = self._point(np.array(start), self.affine)
        return Geometry(shape, affine, self.physical)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"shape": list(self.shape), "affine": self.affine.tolist(), "physical": self.physical}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Geometry":
        """Return what ``to_json`` described."""
        return cls(tuple(content["shape"]), np.array(content["affine"], dtype=float), content["physical"])

    def _point(self, index: NDArray[Any], affine: Affine) -> NDArray[np.float64]:
        point: NDArray[np.float64] = affine[:3, : len(index)] @ index + affine[:3, 3]
        return point

    def _corners(self) -> NDArray[np.float64]:
        ends = [(0, size - 1) for size in self.shape]
        indices = np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, self.spatial_dims)
        return np.stack([self._point(index, self.affine) for index in indices])


def without_shear(affine: Affine) -> Affine:
    """Return the affine with perpendicular axes that is nearest to one whose axes are nearly so, of the same spacing.

    Example:
        >>> leaning = np.array([[2.0, 0.1, 0, 5], [0, 1, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
        >>> axes = without_shear(leaning)[:3, :3]
        >>> bool(np.allclose(axes.T @ axes, np.diag(np.linalg.norm(leaning[:3, :3], axis=0) ** 2)))
        True
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = left @ right * spacing
    return straight


def picture_geometry(shape: tuple[int, ...]) -> Geometry:
    """Return the grid of a picture: columns run to the patient's left, rows downwards (posterior), 1 mm apart.

    This is what ITK assumes of a picture, so that a NIfTI written with it is shown upright.
    """
    return Geometry(shape, LPS_FROM_RAS.copy(), physical=False)
