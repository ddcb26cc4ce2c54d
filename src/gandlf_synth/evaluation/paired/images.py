"""A pair as arrays: laid alike, with what counts marked and with values as the comparison wants them."""

from dataclasses import dataclass

import numpy as np

from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.recorded_scale import read_in_data_units
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.evaluation.paired.comparison import Comparison
from gandlf_synth.evaluation.paired.grids import canonical, laid_like
from gandlf_synth.evaluation.paired.pairs import Pair
from gandlf_synth.geometry import Geometry
from gandlf_synth.metrics.paired.base import Array, Mask, voxels_inside

_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class PairImages:
    """Two images in the units of the data, with the axes of the original's file.

    Args:
        original: the original.
        reconstruction: its reconstruction, laid like it.
        mask: the voxels that count, ``(*shape)``; None: all.
        voided: what the reconstruction was made from, ``(channels, *shape)``; None: not asked for.
    """

    original: Image
    reconstruction: Image
    mask: Mask | None
    voided: Array | None

    @property
    def error(self) -> Array:
        """The reconstruction minus the original, ``(channels, *shape)`` float32; 0 where nothing counts."""
        difference: Array = self.reconstruction.array.astype(np.float32) - self.original.array
        return difference if self.mask is None else difference * self.mask


def read_pair(pair: Pair, comparison: Comparison) -> PairImages:
    """Return the images of a pair that ``check_pairs`` let pass.

    Raises:
        UnreadableError: a file has changed since.
    """
    original = _read(pair.original)
    like = original.geometry
    mask = None if pair.mask is None else laid_like(read_image(pair.mask), like).array[0] > 0
    reconstruction = laid_like(_read(pair.reconstruction), like)
    return PairImages(original, reconstruction, mask, _voided(pair, original, mask, comparison))


def _voided(pair: Pair, original: Image, mask: Mask | None, comparison: Comparison) -> Array | None:
    if comparison.normalize_by != "voided":
        return None
    if pair.voided is not None:
        return laid_like(read_image(pair.voided), original.geometry).array
    return original.array if mask is None else original.array * ~mask


def _read(sample: Sample) -> Image:
    return stacked([read_in_data_units(path) for path in sample.channels])


def compared_arrays(images: PairImages, comparison: Comparison) -> tuple[Array, Array, Mask | None]:
    """Return original, reconstruction and mask as the metrics get them.

    Raises:
        ValueError: the original has no range to compare in, because all values that count are one.
    """
    arrays: list[Array] = [image.array.astype(np.float64) for image in (images.original, images.reconstruction)]
    mask = images.mask
    if comparison.outside is not None and mask is not None:
        arrays = [np.where(mask, array, comparison.outside) for array in arrays]
    if comparison.normalize_by is not None:
        reference = images.original.array if images.voided is None else images.voided
        low, high = np.percentile(reference.astype(np.float32), _PERCENTILES)
        low = max(float(low), 0.0)
        if high <= low:
            raise ValueError(f"cannot be brought to [0, 1]: the percentiles are {low:g} and {high:g}")
        arrays = [(np.clip(array, low, high) - low) / (high - low) for array in arrays]
    if comparison.takes_own_range and not np.ptp(voxels_inside(arrays[0], mask)):
        raise ValueError("has one value only where voxels count, so there is no range to compare in")
    if not comparison.in_file_axes:
        arrays, mask = _as_all_images(arrays, mask, images.original.geometry)
    return arrays[0], arrays[1], mask


def _as_all_images(arrays: list[Array], mask: Mask | None, geometry: Geometry) -> tuple[list[Array], Mask | None]:
    laid = [np.stack([canonical(channel, geometry) for channel in array]) for array in arrays]
    return laid, None if mask is None else canonical(mask, geometry)
