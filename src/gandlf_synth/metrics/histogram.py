"""Distances between intensity histograms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def histograms(images: Floats, bins: int = 64) -> NDArray[np.float64]:
    """Return the share of pixels per bin of [0, 1] of each image and channel, ``(n, channels, bins)``.

    Args:
        images: ``(n, channels, rows, columns)`` in [0, 1].
        bins: of equal width.
    """
    n, channels = images.shape[:2]
    places = np.minimum((np.asarray(images, dtype=np.float32) * bins).astype(np.int64), bins - 1)
    flat = places.reshape(n * channels, -1) + bins * np.arange(n * channels)[:, None]
    counts = np.bincount(flat.ravel(), minlength=n * channels * bins).reshape(n, channels, bins)
    shares: NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def histogram_distance(a: Floats, b: Floats) -> float:
    """Return the Wasserstein-1 distance of two sets' pooled histograms, mean over channels, in shares of the range.

    Args:
        a: the histograms of one set, ``(n, channels, bins)``.
        b: those of the other.
    """
    difference = np.cumsum(a.mean(axis=0) - b.mean(axis=0), axis=-1)
    return float(np.abs(difference).sum(axis=-1).mean() / a.shape[-1])
