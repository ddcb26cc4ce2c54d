"""How near a reconstruction is to its original, by GaNDLF's names.

Every metric takes the original and the reconstruction, float ``(channels, *shape)`` in the units of the data, and
returns one number. Ranges are those of the original.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.floating]
PairedMetric = Callable[[Array, Array], float]

_WINDOW = 11
_SIGMA = 1.5


def mean_absolute_error(original: Array, reconstruction: Array) -> float:
    """Return the mean of ``|original − reconstruction|``, in the units of the data.

    >>> mean_absolute_error(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]]))
    0.5
    """
    return float(np.abs(original - reconstruction).mean())


def mean_squared_error(original: Array, reconstruction: Array) -> float:
    """Return the mean of the squared difference.

    >>> mean_squared_error(np.array([[0.0, 2.0]]), np.array([[2.0, 2.0]]))
    2.0
    """
    return float(((original.astype(np.float64) - reconstruction) ** 2).mean())


def root_mean_squared_error(original: Array, reconstruction: Array) -> float:
    """Return the root of the mean squared difference, in the units of the data.

    >>> root_mean_squared_error(np.array([[0.0, 0.0]]), np.array([[3.0, 3.0]]))
    3.0
    """
    return float(mean_squared_error(original, reconstruction) ** 0.5)


def mean_squared_log_error(original: Array, reconstruction: Array) -> float:
    """Return the mean squared difference of ``log(1 + value)``, values counted from the smallest of the original.

    >>> mean_squared_log_error(np.array([[5.0, 6.0]]), np.array([[5.0, 6.0]]))
    0.0
    """
    low = original.min()
    logs = [np.log1p(np.maximum(array - low, 0).astype(np.float64)) for array in (original, reconstruction)]
    return float(((logs[0] - logs[1]) ** 2).mean())


def peak_signal_noise_ratio(original: Array, reconstruction: Array) -> float:
    """Return ``10 · log10(range² / mean squared error)`` in decibels; infinite for equal images.

    >>> peak_signal_noise_ratio(np.array([[0.0, 100.0]]), np.array([[10.0, 90.0]]))
    20.0
    """
    error = mean_squared_error(original, reconstruction)
    return float(10 * np.log10(_range(original) ** 2 / error)) if error else float("inf")


def structural_similarity_index(original: Array, reconstruction: Array) -> float:
    """Return the mean structural similarity (Wang et al. 2004, eq. 13), Gaussian windows, 2D or 3D.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(structural_similarity_index(image, image), 3), structural_similarity_index(image, image[:, ::-1]) < 0.5
    (1.0, True)
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    one, other = (
        torch.from_numpy(np.ascontiguousarray(array, np.float32))[None] for array in (original, reconstruction)
    )
    smallest = min(original.shape[1:])
    large = smallest > _WINDOW
    window = _WINDOW if large else smallest - 1 + smallest % 2
    value = measure(other, one, data_range=_range(original), gaussian_kernel=large, sigma=_SIGMA, kernel_size=window)
    return float(torch.as_tensor(value))


def correlation(original: Array, reconstruction: Array) -> float:
    """Return the correlation of the voxels where they are (normalised cross-correlation without a shift).

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(correlation(image, 3 * image + 7), 6)
    1.0
    """
    one, other = (array.ravel() - array.mean() for array in (original, reconstruction))
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm else float(np.allclose(original, reconstruction))


def ms_ssim(original: Array, reconstruction: Array) -> float:
    """Return the multi-scale structural similarity (Wang et al. 2003), of volumes the mean over axial slices.

    Images of fewer than 11 voxels a side have none: nan.

    >>> image = np.random.default_rng(0).random((1, 32, 32))
    >>> round(ms_ssim(image, image), 3)
    1.0
    """
    from gandlf_synth.metrics.ms_ssim import ms_ssim as similarity_of_planes
    from gandlf_synth.metrics.ms_ssim import scales_for

    if scales_for(min(original.shape[1:3])) == 0:
        return float("nan")
    low, span = original.min(), _range(original)
    unit = [np.clip((array - low) / span, 0, 1).astype(np.float32) for array in (original, reconstruction)]
    planes = [array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0) for array in unit]
    return float(similarity_of_planes(*(torch.from_numpy(np.ascontiguousarray(array)) for array in planes)).mean())


def ncc_mean(original: Array, reconstruction: Array) -> float:
    """Return the mean over all shifts of the normalised cross-correlation, averaged over channels.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_min(image, image) < ncc_mean(image, image) < ncc_max(image, image)
    True
    """
    return _over_channels(original, reconstruction, np.mean)


def ncc_std(original: Array, reconstruction: Array) -> float:
    """Return the standard deviation over all shifts of the normalised cross-correlation.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_std(image, image) > 0
    True
    """
    return _over_channels(original, reconstruction, np.std)


def ncc_max(original: Array, reconstruction: Array) -> float:
    """Return the largest normalised cross-correlation over all shifts; 1 for equal images.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> round(ncc_max(image, np.roll(image, 2, axis=1)), 1)
    1.0
    """
    return _over_channels(original, reconstruction, np.max)


def ncc_min(original: Array, reconstruction: Array) -> float:
    """Return the smallest normalised cross-correlation over all shifts.

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ncc_min(image, image) < 0
    True
    """
    return _over_channels(original, reconstruction, np.min)


def _over_channels(original: Array, reconstruction: Array, statistic: Callable[[Array], Array]) -> float:
    pairs = zip(original, reconstruction, strict=True)
    return float(np.mean([statistic(_cross_correlation(one, other)) for one, other in pairs]))


def _cross_correlation(original: Array, reconstruction: Array) -> Array:
    """Return the normalised cross-correlation for every shift with half an image in common (Padfield 2012)."""
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32)) for array in (original, reconstruction)]
    correlation = sitk.FFTNormalizedCorrelation(*images, requiredFractionOfOverlappingPixels=0.5)
    shifts: Array = sitk.GetArrayFromImage(correlation)
    return shifts


def _range(original: Array) -> float:
    return float(np.ptp(original)) or 1.0
