"""Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al. 2017, equation 6)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, halves, of_subsamples, subset
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import FEWEST, Measure, MeasureSettings, SetMetric


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
            centered = features[start : start + chunk].astype(np.float64) - mean
            scatter += centered.T @ centered
        return cls(mean, scatter / (count - 1), count)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), never negative.

    The trace of the root is the sum of the roots of the eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric, so that
    no matrix root of a near-singular product is needed.

    >>> first, second = (Moments(np.array([mean, 0.0]), np.eye(2), 10) for mean in (0.0, 3.0))
    >>> frechet_distance(first, second)
    9.0
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(root @ b.covariance @ root).clip(0))
    shift = a.mean - b.mean
    distance = shift @ shift + np.trace(a.covariance) + np.trace(b.covariance) - 2 * roots.sum()
    return float(max(distance, 0.0))


def refusal(dimension: int, *counts: int) -> str:
    """Return why a Fréchet distance would mean nothing for so few features, or an empty string.

    >>> refusal(64, 100, 64)
    ''
    """
    fewest = min(counts)
    if fewest >= dimension:
        return ""
    return (
        f"needs at least as many images as the extractor has features ({dimension}) and there are {fewest}: the "
        "covariance would be singular and the distance mostly bias; read the KID instead, which is unbiased at any size"
    )


class FrechetDistance(SetMetric):
    """FID; refused where there are fewer images than features, since it would be mostly bias."""

    repeats: int = 5
    """Random halves from which interval and floor follow."""

    position: ClassVar[int] = 20
    measures: ClassVar[tuple[Measure, ...]] = (Measure("fid", "Distance of features (FID)", "faithful", "lower"),)

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance of all images, mean over stacks, or why there is none."""
        real, synthetic, extractor = sets.real, sets.synthetic, settings.extractor
        reason = refusal(real.dimension, len(real.row_subjects), len(synthetic.row_subjects))
        fewest = min(real.num_subjects, synthetic.num_subjects)
        if not reason and fewest < FEWEST:
            reason = f"needs halves of different subjects and there are {fewest}; {FEWEST} in each set suffice"
        if reason:
            return Measurement([self.metric("fid", sets, extractor=extractor, refused=f"FID {reason}")])
        rng = np.random.default_rng(settings.seed)
        stacks = [(real.stack(k), synthetic.stack(k)) for k in range(real.num_stacks)]
        whole = np.mean([frechet_distance(Moments.of(r), Moments.of(s)) for r, s in stacks])
        values, floors = [], []
        for _ in range(self.repeats):
            first, second = halves(real.row_subjects, rng)
            other = subset(synthetic.row_subjects, len(synthetic.row_subjects) // 2, rng)
            moments = [Moments.of(r[first]) for r, _ in stacks]
            pairs = list(zip(moments, stacks, strict=True))
            values.append(
                np.mean([frechet_distance(half_moments, Moments.of(s[other])) for half_moments, (_, s) in pairs])
            )
            floors.append(
                np.mean([frechet_distance(half_moments, Moments.of(r[second])) for half_moments, (r, _) in pairs])
            )
        half = len(real.row_subjects) // 2
        note = f"biased upwards at small n; real against real: halves of {half} {real.rows}, above what all would give"
        value, floor = (
            estimate.within(0, np.inf)
            for estimate in (of_subsamples(values, whole=float(whole)), of_subsamples(floors))
        )
        return Measurement([self.metric("fid", sets, value, floor, extractor=extractor, note=note)])
