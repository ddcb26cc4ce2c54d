"""Multi-scale structural similarity inside a mask, with windows of whole volumes, as SynthRAD2025 computes it."""

import numpy as np
from scipy.ndimage import uniform_filter

from gandlf_synth.metrics.paired.base import Array, DataRange, Mask, value_limits

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales (Wang et al. 2003, section 3.2)."""
_WINDOW = 7
_SMALLEST = 97
"""Shorter sides are padded to this length, so that one voxel is left at the coarsest scale."""
_K1, _K2 = 0.01, 0.03


def masked_ms_ssim(
    original: Array, reconstruction: Array, mask: Mask | None = None, /, *, data_range: DataRange = "original"
) -> float:
    """Return the multi-scale structural similarity inside a mask, the mean over channels.

    As in SynthRAD2025: values are brought into the range and counted from its low end, which they also have outside
    the mask; windows are uniform, 7 voxels along every axis; every scale counts with its luminance, contrast and
    structure; the mask of the next scale is every other voxel of this one. 3 voxels at the borders do not count.

    Args:
        original: ``(channels, *shape)``, 2D or 3D.
        reconstruction: ``(channels, *shape)``.
        mask: the voxels that count, ``(*shape)``.
        data_range: what the range is.

    Returns:
        From 0 to 1; nan where a scale has no voxel inside the mask.

    >>> image = np.random.default_rng(0).random((1, 40, 40))
    >>> round(masked_ms_ssim(image, image), 3), masked_ms_ssim(image, image[:, ::-1]) < 0.3
    (1.0, True)
    """
    low, high = value_limits(original, reconstruction, mask, data_range)
    inside = np.ones(original.shape[1:], bool) if mask is None else mask
    margins = [_margin(length) for length in inside.shape]
    pairs = zip(*(_padded(image, inside, low, high, margins) for image in (original, reconstruction)), strict=True)
    padded_mask = np.pad(inside, margins, mode="edge")
    return float(np.mean([_of_scales(one, other, padded_mask, high - low) for one, other in pairs]))


def _margin(length: int) -> tuple[int, int]:
    missing = max(_SMALLEST - length, 0)
    return missing // 2, missing - missing // 2


def _padded(image: Array, inside: Mask, low: float, high: float, margins: list[tuple[int, int]]) -> Array:
    counted = np.where(inside, np.clip(image.astype(np.float64), low, high), low) - low
    return np.pad(counted, [(0, 0), *margins], mode="edge")


def _of_scales(one: Array, other: Array, inside: Mask, span: float) -> float:
    core = (slice(_WINDOW // 2, -(_WINDOW // 2)),) * one.ndim
    every_other = (slice(None, None, 2),) * one.ndim
    product = 1.0
    for weight in _WEIGHTS:
        counted = _similarity(one, other, span, weight)[core][inside[core]]
        product *= float(np.clip(counted.mean(), 0, 1)) if counted.size else float("nan")
        # a window of 2 ends at the voxel itself, and what lies before the first voxel is 0
        one, other = (uniform_filter(image, 2, mode="constant")[every_other] for image in (one, other))
        inside = inside[every_other]
    return product


def _similarity(one: Array, other: Array, span: float, weight: float) -> Array:
    """Return luminance, contrast and structure (Wang et al. 2003, eq. 1 to 3), each to the power of the weight."""
    voxels = _WINDOW**one.ndim
    unbiased = voxels / (voxels - 1)
    mean, other_mean = uniform_filter(one, _WINDOW), uniform_filter(other, _WINDOW)
    variance = unbiased * (uniform_filter(one * one, _WINDOW) - mean * mean)
    other_variance = unbiased * (uniform_filter(other * other, _WINDOW) - other_mean * other_mean)
    covariance = unbiased * (uniform_filter(one * other, _WINDOW) - mean * other_mean)
    deviations = np.sqrt(np.maximum(variance, 0)) * np.sqrt(np.maximum(other_variance, 0))
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    luminance = (2 * mean * other_mean + c1) / (mean**2 + other_mean**2 + c1)
    contrast = (2 * deviations + c2) / (variance + other_variance + c2)
    structure = (covariance + c2 / 2) / (deviations + c2 / 2)
    parts = (np.maximum(part, 0) ** weight for part in (luminance, contrast, structure))
    product: Array = np.prod(list(parts), axis=0)
    return product
