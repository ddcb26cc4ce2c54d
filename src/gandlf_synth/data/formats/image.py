"""An image in memory: voxels, the grid they lie on, and how their values relate to the file's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.geometry import Geometry, Voxels

Array = NDArray[np.float32]
Mask = NDArray[np.int32]
Values = Voxels
"""Voxels in the number type of a file."""

NUMBER_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""What images are written in; a source file of any other type counts as one of these."""
_SIGNED = (np.int16, np.int32)
_VOLUME = 3


@dataclass(frozen=True)
class Image:
    """Voxels with their geometry.

    Args:
        array: float32, ``(channels, *spatial)``, axes ordered as ``geometry`` says.
        geometry: the grid.
        dtype: the number type of the source file, one of ``NUMBER_TYPES``; decides the type of what is written.
        scale, offset: per channel; ``array = value in the file · scale + offset``.
            NaN in a channel that the row does not have.
        modality: ``"CT"``, ``"MR"`` and so on (DICOM PS3.3 C.7.3.1.1.1), empty where the file does not say.
        mask: labels of the voxels, ``(*spatial)``, 0 for background; None without a mask.
        region: 1 where the image is to be made anew, else 0, ``(*spatial)``; None without a region.
        frame: a digest of the frame of reference in which the grid lies (DICOM PS3.3 C.7.4.1), empty where the file
            does not say.
        remark: what a person should know of the file, though it can be read; empty where there is nothing.
    """

    array: Array
    geometry: Geometry
    dtype: str
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    modality: str = ""
    mask: Mask | None = None
    region: Mask | None = None
    frame: str = ""
    remark: str = ""

    @classmethod
    def from_file_values(cls, array: Values, geometry: Geometry, modality: str = "", frame: str = "") -> "Image":
        """Return an image of values as they are in a file; ``array`` is ``(channels, *spatial)`` of any type."""
        channels = array.shape[0]
        with np.errstate(over="ignore"):
            voxels = np.ascontiguousarray(array, dtype=np.float32)
        kind = number_type(array)
        return cls(voxels, geometry, kind, np.ones(channels), np.zeros(channels), modality, frame=frame)

    @property
    def num_channels(self) -> int:
        """The number of channels."""
        return int(self.array.shape[0])

    def on_grid(self, array: Array, geometry: Geometry, move_labels: Callable[[Mask], Mask]) -> "Image":
        """Return this image with other voxels on another grid, in the same units.

        Args:
            array: the voxels there.
            geometry: the grid.
            move_labels: brings mask and region to it.
        """
        mask, region = (None if labels is None else move_labels(labels) for labels in (self.mask, self.region))
        return replace(self, array=array, geometry=geometry, mask=mask, region=region)

    def rescaled(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> "Image":
        """Return the image with every channel's values times ``scale`` plus ``offset``, which stays on record."""
        axes = (slice(None), *(None,) * (self.array.ndim - 1))
        array = self.array * scale[axes].astype(np.float32) + offset[axes].astype(np.float32)
        return replace(self, array=array, scale=self.scale * scale, offset=self.offset * scale + offset)

    def canonical(self) -> "Image":
        """Return the image with its axes as ``Geometry.canonical_axes`` lays those of all images; no value changes."""
        from nibabel.orientations import apply_orientation

        axes = self.geometry.canonical_axes
        array = np.stack([apply_orientation(channel, axes) for channel in self.array])
        return self.on_grid(
            np.ascontiguousarray(array),
            self.geometry.reordered(axes),
            lambda labels: np.ascontiguousarray(apply_orientation(labels, axes)),
        )

    def with_values(self, array: Array) -> "Image":
        """Return the image with changed values on the same grid (clipping and the like: not on record)."""
        return replace(self, array=np.ascontiguousarray(array, dtype=np.float32))


def as_slice(image: Image) -> Image:
    """Return a volume with one voxel along some axis as the slice that it is; other images as they are.

    Example:
        >>> as_slice(Image.from_file_values(np.zeros((1, 6, 1, 5)), Geometry((6, 1, 5)))).geometry.shape
        (6, 5)
    """
    thin = [axis for axis, length in enumerate(image.geometry.shape) if length == 1]
    if image.geometry.spatial_dims < _VOLUME or not thin:
        return image
    return image.on_grid(
        image.array.squeeze(thin[-1] + 1), image.geometry.across(thin[-1]), lambda labels: labels.squeeze(thin[-1])
    )


def number_type(values: Values) -> str:
    """Return the one of ``NUMBER_TYPES`` that holds ``values``: their own, or the nearest that is.

    Whole numbers beyond 32 bits become float32, which is what they are computed in.

    Example:
        >>> number_type(np.array([7])), number_type(np.array([2**40])), number_type(np.array([True]))
        ('int32', 'float32', 'uint8')
    """
    dtype = values.dtype
    if dtype.name in NUMBER_TYPES:
        return dtype.name
    if dtype.kind == "b":
        return "uint8"
    if dtype.kind not in "iu":
        return "float32"
    narrow = np.dtype(f"{dtype.kind}4")
    limits, low, high = np.iinfo(narrow), values.min(initial=0), values.max(initial=0)
    return narrow.name if limits.min <= low and high <= limits.max else "float32"


def scaled(stored: Values, slope: float, intercept: float) -> Values:
    """Return ``stored`` · ``slope`` + ``intercept``, in whole numbers where all three are whole.

    Raises:
        ValueError: the slope is 0, or either is not finite.

    Example:
        >>> scaled(np.array([0, 1064], np.uint16), 1, -1024)
        array([-1024,    40], dtype=int16)
    """
    if not (np.isfinite(slope) and np.isfinite(intercept) and slope):
        raise ValueError(f"values cannot be scaled by a slope of {slope:g} and an intercept of {intercept:g}")
    if (slope, intercept) == (1, 0):
        return stored
    with np.errstate(over="ignore"):
        values = stored.astype(np.float64) * slope + intercept
        is_whole = stored.dtype.kind in "biu" and float(slope).is_integer() and float(intercept).is_integer()
        kind = _narrowest(values) if is_whole else np.dtype(np.float32)
        return values.astype(kind)


def _narrowest(whole: NDArray[np.float64]) -> np.dtype[Any]:
    """Return the signed type for whole numbers, or float32 where they are too large for one."""
    low, high = whole.min(initial=0), whole.max(initial=0)
    fitting = (kind for kind in _SIGNED if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return np.dtype(next(fitting, np.float32))


def stacked(images: list[Image]) -> Image:
    """Return one image whose channels are those of ``images``, which lie on one grid."""
    first = images[0]
    kinds = {image.dtype for image in images}
    modalities = {image.modality for image in images}
    return Image(
        np.concatenate([image.array for image in images]),
        first.geometry,
        number_type(np.empty(0, np.result_type(*kinds))),
        np.concatenate([image.scale for image in images]),
        np.concatenate([image.offset for image in images]),
        first.modality if len(modalities) == 1 else "",
    )
