"""First-order and texture features of grey images, named as in the IBSI reference manual (Zwanenburg et al. 2020)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.discrepancy import root, squared_distance
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Subjects, members
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Measure, MeasureSettings, SetMetric, itself, too_few

NAMES = (
    "mean", "standard deviation", "skewness", "kurtosis", "10th percentile", "90th percentile", "entropy",
    "texture contrast", "texture homogeneity", "texture energy", "texture correlation",
)  # fmt: skip
"""The features, in the order of the columns; the texture ones are of the grey-level co-occurrence matrix."""
_LEVELS = 16
_FLAT = 1e-12
"""A deviation below this is none."""
_RESAMPLINGS = 200
_FEWEST_FOR_INTERVAL = 2 * FEWEST
"""Subjects of each set below which the simulated interval does not cover: 0.88 instead of 0.95 with 20."""
_Z = 1.96


def first_order(planes: Floats) -> NDArray[np.float64]:
    """Return the features of each plane, ``(n, len(NAMES))``.

    Args:
        planes: ``(n, channels, rows, columns)`` in [0, 1]; channels are averaged.

    >>> board = np.indices((16, 16)).sum(axis=0) % 2 * 0.999
    >>> features = dict(zip(NAMES, first_order(board[None, None])[0].round(3).tolist(), strict=True))
    >>> features["entropy"], features["texture contrast"], features["texture correlation"]
    (1.0, 225.0, -1.0)
    """
    gray = np.asarray(planes, dtype=np.float64).mean(axis=1)
    return np.stack([_features(plane) for plane in gray])


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

    >>> real = np.array([[0.0], [1.0], [2.0]])
    >>> feature_distances(real, real + real.std()).round(6)
    array([1.])
    """
    from scipy.stats import wasserstein_distance

    scale = real.std(axis=0)
    distances = [wasserstein_distance(real[:, k], synthetic[:, k]) for k in range(real.shape[1])]
    return np.array(distances) / np.where(scale > _FLAT, scale, 1.0)


def shift_kernel(a: Floats, b: Floats) -> Floats:
    """Return −√π · the mean absolute difference of the features of every pair of rows, ``(n, m)``.

    Its MMD² is the energy distance (Székely & Rizzo 2013), in the unit in which two normal distributions of deviation 1
    that are a small shift apart have the square of that shift.

    >>> shift_kernel(np.array([[0.0, 0.0]]), np.array([[1.0, 3.0]])).round(3)
    array([[-3.545]])
    """
    apart: Floats = np.zeros((len(a), len(b)))
    for k in range(a.shape[1]):
        apart += np.abs(a[:, k, None] - b[:, k])
    kernel: Floats = -np.sqrt(np.pi) / a.shape[1] * apart
    return kernel


def scale_error(real: Floats, synthetic: Floats, subjects: Subjects, seed: int = 0) -> float:
    """Return the standard error of a squared distance that comes from the deviations in whose unit it is.

    The deviations are those of resampled real subjects, while the differences of the features stay as they are.

    Args:
        real: in units of their deviations, ``(n, features)``.
        synthetic: in the same units, ``(m, features)``.
        subjects: of the real images.
        seed: of the resampling.

    >>> rows = np.random.default_rng(0).normal(size=(50, 3))
    >>> names = np.arange(50).astype(str)
    >>> scale_error(rows, rows, names) < 0.05 < scale_error(rows, rows + 2, names)
    True
    """
    from scipy.stats import energy_distance

    apart = np.array([energy_distance(real[:, k], synthetic[:, k]) ** 2 for k in range(real.shape[1])])
    parts = members(subjects)
    sizes = np.array([len(part) for part in parts], dtype=float)
    sums, squares = (np.stack([(real[part] ** power).sum(axis=0) for part in parts]) for power in (1, 2))
    drawn = np.random.default_rng(seed).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), _RESAMPLINGS)
    count = (drawn @ sizes)[:, None]
    deviations = np.sqrt(np.maximum(drawn @ squares / count - (drawn @ sums / count) ** 2, 0))
    factors = np.where(deviations > _FLAT, real.std(axis=0) / np.maximum(deviations, _FLAT), 1.0)
    return float((np.sqrt(np.pi) * factors * apart).mean(axis=1).std())


def _widened(square: Estimate, error: float) -> Estimate:
    """Return the estimate with an independent error in its interval."""
    ends = (square.value - square.low, square.high - square.value)
    below, above = (float(np.hypot(end, _Z * error)) for end in ends)
    return replace(square, low=square.value - below, high=square.value + above)


class TextureDistance(SetMetric):
    """Difference of first-order and texture features, in standard deviations of the real images."""

    position: ClassVar[int] = 50
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "texture", "Texture (first-order features)", "faithful", "lower", "standard deviations",
            Criterion(
                "texture",
                "Difference of the distributions of first-order and texture features in standard deviations.",
                0.3, 1.0, itself, "gray values and texture are as in real images",
                "gray values or texture differ", _FEWEST_FOR_INTERVAL,
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance of the features' distributions, and the three that are farthest apart."""
        real, synthetic = sets.real, sets.synthetic
        reason = too_few(sets)
        if reason:
            return Measurement([self.metric("texture", sets, refused=reason)])
        distances = feature_distances(real.first_order, synthetic.first_order)
        farthest = {NAMES[k]: float(distances[k]) for k in np.argsort(-distances)[:3]}
        scale = real.first_order.std(axis=0)
        scale = np.where(scale > _FLAT, scale, 1.0)
        real_rows, synthetic_rows = real.first_order / scale, synthetic.first_order / scale
        stacks = [(real_rows, synthetic_rows)]
        distance = squared_distance(stacks, real.subjects, synthetic.subjects, shift_kernel, seed=settings.seed)
        square = _widened(distance.estimate(), scale_error(real_rows, synthetic_rows, real.subjects))
        value, floor = root(square), root(distance.band())
        note = f"farthest apart: {', '.join(f'{name} {distance:.2f}' for name, distance in farthest.items())}"
        if min(real.num_subjects, synthetic.num_subjects) < _FEWEST_FOR_INTERVAL:
            value = Estimate(value.value, np.nan, np.nan, f"none: {_FEWEST_FOR_INTERVAL} subjects in each set suffice")
        return Measurement([self.metric("texture", sets, value, floor, note=note, details=farthest)])

    def detail(self, metric: Metric) -> str:
        """Return the features that are farthest apart."""
        return f": {metric.note}"
