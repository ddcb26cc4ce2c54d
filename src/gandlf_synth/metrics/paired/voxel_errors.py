"""Errors voxel by voxel: absolute, squared, logarithmic, and as a ratio of signal to noise."""

import numpy as np

from gandlf_synth.metrics.paired.base import Array, DataRange, Mask, value_limits, voxels_inside


def mean_absolute_error(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the mean of ``|original − reconstruction|``, in the units of the data.

    >>> mean_absolute_error(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]))
    0.5
    >>> mean_absolute_error(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]), np.array([True, False]))
    1.0
    """
    return float(np.abs(_difference(original, reconstruction, mask)).mean())


def mean_squared_error(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the mean of the squared difference.

    >>> mean_squared_error(np.array([[0.0, 2.0]]), np.array([[2.0, 2.0]]))
    2.0
    """
    return float((_difference(original, reconstruction, mask) ** 2).mean())


def root_mean_squared_error(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the root of the mean squared difference, in the units of the data.

    >>> root_mean_squared_error(np.array([[0.0, 0.0]]), np.array([[3.0, 3.0]]))
    3.0
    """
    return float(mean_squared_error(original, reconstruction, mask) ** 0.5)


def mean_squared_log_error(original: Array, reconstruction: Array, mask: Mask | None = None, /) -> float:
    """Return the mean squared difference of ``log(1 + value)``, values counted from the smallest of the original.

    >>> mean_squared_log_error(np.array([[5.0, 6.0]]), np.array([[5.0, 6.0]]))
    0.0
    """
    images = [voxels_inside(image, mask) for image in (original, reconstruction)]
    logs = [np.log1p(np.maximum(values - images[0].min(), 0)) for values in images]
    return float(((logs[0] - logs[1]) ** 2).mean())


def peak_signal_noise_ratio(
    original: Array,
    reconstruction: Array,
    mask: Mask | None = None,
    /,
    *,
    data_range: DataRange = "original",
    clip: bool = False,
) -> float:
    """Return ``10 · log10(range² / mean squared error)`` in decibels; infinite for equal images.

    Args:
        original: ``(channels, *shape)``.
        reconstruction: ``(channels, *shape)``.
        mask: the voxels that count, ``(*shape)``.
        data_range: what the range is; two images are compared in decibels only with the same range.
        clip: bring the values of both images into the range first.

    >>> original, other = np.array([[0.0, 100.0]]), np.array([[10.0, 90.0]])
    >>> peak_signal_noise_ratio(original, other), peak_signal_noise_ratio(original, other, data_range=1000)
    (20.0, 40.0)
    """
    low, high = value_limits(original, reconstruction, mask, data_range)
    if clip:
        original, reconstruction = (np.clip(image, low, high) for image in (original, reconstruction))
    error = mean_squared_error(original, reconstruction, mask)
    return float(10 * np.log10((high - low) ** 2 / error)) if error else float("inf")


def _difference(original: Array, reconstruction: Array, mask: Mask | None) -> Array:
    difference: Array = voxels_inside(reconstruction, mask) - voxels_inside(original, mask)
    return difference
