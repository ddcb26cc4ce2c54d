"""How alike two images look: structural similarity at one and at many scales, and correlation.

Structural similarity can mislead: of 48 experiments with one task, those with a higher SSIM were of less use for what
the images were made for (arXiv 2606.00630, 2026). Read it beside an error, and beside the Dice of a segmenter.
"""

from collections.abc import Sequence

import numpy as np
import torch

from gandlf_synth.metrics.paired.base import (
    Array,
    DataRange,
    Mask,
    alike_outside,
    boxed,
    value_limits,
    voxels_inside,
)

_RADIUS, _SIGMA = 5, 1.5
_K1, _K2 = 0.01, 0.03


def structural_similarity_index(
    original: Array,
    reconstruction: Array,
    mask: Mask | None = None,
    /,
    *,
    data_range: DataRange = "original",
    across: int | None = None,
) -> float:
    """Return the mean structural similarity (Wang et al. 2004, eq. 13), Gaussian windows of 11 voxels, 2D or 3D.

    The similarity is computed everywhere, with images reflected at their borders, and averaged inside the mask.

    Args:
        original: ``(channels, *shape)``.
        reconstruction: ``(channels, *shape)``.
        mask: the voxels that count, ``(*shape)``.
        data_range: what the range is.
        across: of volumes, the axis across which windows are flat: 0 compares planes of the first axis one by one.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(structural_similarity_index(image, image), 3), structural_similarity_index(image, image[:, ::-1]) < 0.5
    (1.0, True)
    """
    low, high = value_limits(original, reconstruction, mask, data_range)
    axes = [axis for axis in range(1, original.ndim) if across is None or axis != across + 1]
    similarity = _ssim_map(original, alike_outside(original, reconstruction, mask), high - low, axes)
    return float(voxels_inside(similarity, mask).mean())


def _ssim_map(original: Array, reconstruction: Array, span: float, axes: Sequence[int]) -> Array:
    """Return the similarity at every voxel (Wang et al. 2004, eq. 13)."""
    one, other = original.astype(np.float64), reconstruction.astype(np.float64)
    mean, other_mean = _blurred(one, axes), _blurred(other, axes)
    variance = np.maximum(_blurred(one * one, axes) - mean**2, 0)
    other_variance = np.maximum(_blurred(other * other, axes) - other_mean**2, 0)
    covariance = _blurred(one * other, axes) - mean * other_mean
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    luminance = (2 * mean * other_mean + c1) / (mean**2 + other_mean**2 + c1)
    structure: Array = (2 * covariance + c2) / (variance + other_variance + c2)
    return luminance * structure


def _blurred(image: Array, axes: Sequence[int]) -> Array:
    from scipy.ndimage import correlate1d

    window = np.exp(-((np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2) / 2)
    for axis in axes:
        image = correlate1d(image, window / window.sum(), axis=axis, mode="mirror")
    return image


def correlation(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the correlation of the voxels where they are (normalised cross-correlation without a shift).

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(correlation(image, 3 * image + 7), 6)
    1.0
    """
    values, other_values = (voxels_inside(image, mask).ravel() for image in (original, reconstruction))
    one, other = values - values.mean(), other_values - other_values.mean()
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm else float(np.allclose(values, other_values))


def ms_ssim(
    original: Array, reconstruction: Array, mask: Mask | None = None, /, *, data_range: DataRange = "original"
) -> float:
    """Return the multi-scale structural similarity (Wang et al. 2003), of volumes the mean over axial slices.

    Images of fewer than 11 voxels a side have none: nan. A mask is taken with the box around it.

    Args:
        original: ``(channels, *shape)``.
        reconstruction: ``(channels, *shape)``.
        mask: the voxels that count, ``(*shape)``.
        data_range: what the range is; values outside it are clipped.

    >>> image = np.random.default_rng(0).random((1, 32, 32))
    >>> round(ms_ssim(image, image), 3)
    1.0
    """
    from gandlf_synth.metrics.ms_ssim import ms_ssim as similarity_of_planes
    from gandlf_synth.metrics.ms_ssim import scales_for

    original, reconstruction = boxed(original, reconstruction, mask)
    if scales_for(min(original.shape[1:3])) == 0:
        return float("nan")
    low, high = value_limits(original, reconstruction, None, data_range)
    unit = [np.clip((array - low) / (high - low), 0, 1).astype(np.float32) for array in (original, reconstruction)]
    planes = [array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0) for array in unit]
    return float(similarity_of_planes(*(torch.from_numpy(np.ascontiguousarray(array)) for array in planes)).mean())
