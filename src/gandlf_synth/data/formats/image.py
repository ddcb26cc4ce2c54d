"""An image in memory: voxels, the grid they lie on, and how their values relate to the file's."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.geometry import Geometry, Voxels

Array = NDArray[np.float32]
Mask = NDArray[np.int32]
Values = Voxels
"""Voxels in the number type of a file."""


@dataclass(frozen=True)
class Image:
    """Voxels with their geometry.

    Args:
        array: float32, ``(channels, *spatial)``, axes ordered as ``geometry`` says.
        geometry: the grid.
        dtype: the number type of the source file, such as ``"uint8"``; decides the type of what is written.
        scale, offset: per channel; ``array = value in the file · scale + offset``.
        modality: ``"CT"``, ``"MR"`` and so on (DICOM PS3.3 C.7.3.1.1.1), empty where the file does not say.
        mask: labels of the voxels, ``(*spatial)``, 0 for background; None without a mask.
    """

    array: Array
    geometry: Geometry
    dtype: str
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    modality: str = ""
    mask: Mask | None = None

    @classmethod
    def from_file_values(cls, array: Values, geometry: Geometry, modality: str = "") -> "Image":
        """Return an image of values as they are in a file; ``array`` is ``(channels, *spatial)`` of any type."""
        channels = array.shape[0]
        voxels = np.ascontiguousarray(array, dtype=np.float32)
        return cls(voxels, geometry, str(array.dtype), np.ones(channels), np.zeros(channels), modality)

    @property
    def num_channels(self) -> int:
        """The number of channels."""
        return int(self.array.shape[0])

    def on_grid(self, array: Array, geometry: Geometry, mask: Mask | None = None) -> "Image":
        """Return this image with other voxels on another grid, in the same units, and its ``mask`` on that grid."""
        return replace(self, array=array, geometry=geometry, mask=mask)

    def rescaled(self, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> "Image":
        """Return the image with every channel's values times ``scale`` plus ``offset``, which stays on record."""
        axes = (slice(None), *(None,) * (self.array.ndim - 1))
        array = self.array * scale[axes].astype(np.float32) + offset[axes].astype(np.float32)
        return replace(self, array=array, scale=self.scale * scale, offset=self.offset * scale + offset)

    def with_values(self, array: Array) -> "Image":
        """Return the image with changed values on the same grid (clipping and the like: not on record)."""
        return replace(self, array=np.ascontiguousarray(array, dtype=np.float32))


def stacked(images: list[Image]) -> Image:
    """Return one image whose channels are those of ``images``, which lie on one grid."""
    first = images[0]
    kinds = {image.dtype for image in images}
    modalities = {image.modality for image in images}
    return Image(
        np.concatenate([image.array for image in images]),
        first.geometry,
        first.dtype if len(kinds) == 1 else str(np.result_type(*kinds)),
        np.concatenate([image.scale for image in images]),
        np.concatenate([image.offset for image in images]),
        first.modality if len(modalities) == 1 else "",
    )
