"""The normalised cross-correlation for every shift, and its statistics, by GaNDLF's names."""

from collections.abc import Callable

import numpy as np

from gandlf_synth.metrics.paired.base import Array, Mask, boxed


def ncc_mean(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the mean over all shifts of the normalised cross-correlation, averaged over channels.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_min(image, image) < ncc_mean(image, image) < ncc_max(image, image)
    True
    """
    return _over_channels(original, reconstruction, mask, np.mean)


def ncc_std(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the standard deviation over all shifts of the normalised cross-correlation.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_std(image, image) > 0
    True
    """
    return _over_channels(original, reconstruction, mask, np.std)


def ncc_max(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the largest normalised cross-correlation over all shifts; 1 for equal images.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(ncc_max(image, np.roll(image, 2, axis=1)), 1)
    1.0
    """
    return _over_channels(original, reconstruction, mask, np.max)


def ncc_min(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the smallest normalised cross-correlation over all shifts.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_min(image, image) < 0
    True
    """
    return _over_channels(original, reconstruction, mask, np.min)


def _over_channels(
    original: Array, reconstruction: Array, mask: Mask | None, statistic: Callable[[Array], Array]
) -> float:
    pairs = zip(*boxed(original, reconstruction, mask), strict=True)
    return float(np.mean([statistic(_cross_correlation(one, other)) for one, other in pairs]))


def _cross_correlation(original: Array, reconstruction: Array) -> Array:
    """Return the normalised cross-correlation for every shift with half an image in common (Padfield 2012)."""
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32)) for array in (original, reconstruction)]
    correlation = sitk.FFTNormalizedCorrelation(*images, requiredFractionOfOverlappingPixels=0.5)
    shifts: Array = sitk.GetArrayFromImage(correlation)
    return shifts
