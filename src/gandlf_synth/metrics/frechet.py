"""Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al. 2017, equation 6)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Moments:
    """Mean ``(dimension,)`` and covariance ``(dimension, dimension)`` of ``count`` features."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    count: int

    @classmethod
    def of(cls, features: Floats, chunk: int = 4096) -> "Moments":
        """Return the moments of ``features (n, dimension)``, read ``chunk`` rows at a time.

        Raises:
            ValueError: fewer than two rows.
        """
        count, dimension = features.shape
        if count < 2:
            raise ValueError("a covariance needs two features")
        mean: NDArray[np.float64] = np.mean(features, axis=0, dtype=np.float64)
        scatter = np.zeros((dimension, dimension))
        for start in range(0, count, chunk):
            centred = features[start : start + chunk].astype(np.float64) - mean
            scatter += centred.T @ centred
        return cls(mean, scatter / (count - 1), count)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), never negative.

    The trace of the root is the sum of the roots of the eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric, so that
    no matrix root of a near-singular product is needed.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(root @ b.covariance @ root).clip(0))
    shift = a.mean - b.mean
    distance = shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * roots.sum()
    return float(max(distance, 0.0))


def refusal(dimension: int, *counts: int) -> str:
    """Return why a Fréchet distance would mean nothing for so few features, or an empty string."""
    fewest = min(counts)
    if fewest >= dimension:
        return ""
    return (
        f"needs at least as many images as the extractor has features ({dimension}) and there are {fewest}: the "
        "covariance would be singular and the distance mostly bias; read the KID instead, which is unbiased at any size"
    )
