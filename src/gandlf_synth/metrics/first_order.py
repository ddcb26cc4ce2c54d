"""First-order and texture features of grey images, named as in the IBSI reference manual (Zwanenburg et al. 2020)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

NAMES = (
    "mean", "standard deviation", "skewness", "kurtosis", "10th percentile", "90th percentile", "entropy",
    "texture contrast", "texture homogeneity", "texture energy", "texture correlation",
)  # fmt: skip
"""The features, in the order of the columns; the texture ones are of the grey-level co-occurrence matrix."""
_LEVELS = 16


def first_order(planes: Floats) -> NDArray[np.float64]:
    """Return the features of each plane, ``(n, len(NAMES))``.

    Args:
        planes: ``(n, channels, rows, columns)`` in [0, 1]; channels are averaged.
    """
    grey = np.asarray(planes, dtype=np.float64).mean(axis=1)
    return np.stack([_features(plane) for plane in grey])


def _features(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    mean, deviation = plane.mean(), plane.std()
    standard = (plane - mean) / deviation if deviation > 1e-8 else np.zeros_like(plane)
    low, high = np.percentile(plane, [10, 90])
    levels = np.minimum((plane.clip(0, 1) * _LEVELS).astype(int), _LEVELS - 1)
    shares = np.bincount(levels.ravel(), minlength=_LEVELS) / levels.size
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    moments = [mean, deviation, (standard**3).mean(), (standard**4).mean(), low, high, entropy]
    return np.array([*moments, *_texture(levels)])


def _texture(levels: NDArray[np.int64]) -> list[float]:
    """Return contrast, homogeneity, energy and correlation of the symmetric matrix of right and lower neighbours."""
    pairs = [(levels[:, :-1], levels[:, 1:]), (levels[:-1], levels[1:])]
    codes = np.concatenate([(a * _LEVELS + b).ravel() for a, b in pairs])
    matrix = np.bincount(codes, minlength=_LEVELS**2).reshape(_LEVELS, _LEVELS).astype(float)
    matrix = (matrix + matrix.T) / (2 * matrix.sum())
    i, j = np.indices(matrix.shape)
    mean = (i * matrix).sum()
    variance = ((i - mean) ** 2 * matrix).sum()
    correlation = ((i - mean) * (j - mean) * matrix).sum() / variance if variance > 0 else 1.0
    return [
        float(((i - j) ** 2 * matrix).sum()),
        float((matrix / (1 + (i - j) ** 2)).sum()),
        float((matrix**2).sum()),
        float(correlation),
    ]


def feature_distances(real: Floats, synthetic: Floats) -> NDArray[np.float64]:
    """Return each feature's Wasserstein-1 distance in units of its standard deviation among the real, ``(features,)``.

    Args:
        real: ``(n, features)``.
        synthetic: ``(m, features)``.
    """
    from scipy.stats import wasserstein_distance

    scale = real.std(axis=0)
    distances = [wasserstein_distance(real[:, k], synthetic[:, k]) for k in range(real.shape[1])]
    return np.array(distances) / np.where(scale > 1e-12, scale, 1.0)
