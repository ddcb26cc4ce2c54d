"""How far two distributions are apart, from a kernel between their observations, with an interval that covers.

The squared maximum mean discrepancy (MMD²; Gretton et al. 2012) is unbiased when pairs of one subject are left out of
the means within a set: their likeness is the subject's and not the distribution's. KID, the difference of mean spectra
and the energy distance of texture features are this number for different kernels.

Neither the bootstrap nor a normal interval covers it: at no difference it is a sum of squares about its mean, and far
from that nearly normal. The interval here is the set of distances that a test at 5 % does not reject. The test's
distribution is simulated: the noise by flipping signs of whole subjects (the wild bootstrap; Leucht & Neumann 2013),
and its interplay with the difference by Student's t with the variance that the data show.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.intervals import Estimate, Floats, Groups, Subjects, subset

Kernel = Callable[[Floats, Floats], Floats]
"""``(n, dimension)`` and ``(m, dimension)`` → how alike each pair of rows is, ``(n, m)``."""
Matrix = NDArray[np.float64]

LARGEST = 2000
"""Rows of a set that are compared; of more, whole subjects are drawn. The cost grows with the square."""
METHOD = "inverted test, signs of subjects flipped at random"
_DRAWS = 1000
_GRID = 400
_TAIL = 0.025
_CHUNK = 512


def linear_kernel(a: Floats, b: Floats) -> Floats:
    """Return a·b / dimension: its MMD² is the mean square of the difference of the means.

    >>> linear_kernel(np.array([[1.0, 3.0]]), np.array([[1.0, 1.0]]))
    array([[2.]])
    """
    products: Floats = a @ b.T / a.shape[1]
    return products


@dataclass(frozen=True)
class SquaredDistance:
    """A squared distance, and what its interval follows from.

    Args:
        value: unbiased, so that it may be negative.
        slope: the variance of its part that is linear in the noise, as the data show it.
        noise_power: the mean square of the noise of the difference.
        noise: draws of its part that is quadratic in the noise.
        chance: draws of what it would be if the synthetic images were as the real ones.
        fewest: subjects in the smaller set.
        seed: of further draws.
    """

    value: float
    slope: float
    noise_power: float
    noise: Matrix
    chance: Matrix
    fewest: int
    seed: int = 0

    def estimate(self) -> Estimate:
        """Return the squared distance with its interval, which begins at 0 or at a negative value."""
        low, high = self._ends()
        return Estimate(self.value, min(low, self.value), max(high, self.value), METHOD)

    def band(self) -> Estimate:
        """Return what chance gives where there is no difference: 0, and where 95 % of such numbers lie."""
        low, high = np.quantile(self.chance, [_TAIL, 1 - _TAIL])
        return Estimate(0.0, min(float(low), 0.0), max(float(high), 0.0), METHOD)

    def _ends(self) -> tuple[float, float]:
        """Return the least and the greatest distance that are not rejected.

        The share of the 5 % that lies in the lower tail goes to 0 at no difference, where nothing lies below.
        """
        draws = np.random.default_rng(self.seed).standard_t(max(self.fewest - 1, 1), len(self.noise))
        scale = float(self.noise.std()) or np.finfo(float).tiny
        reach = max(self.value, 0.0) + 8 * float(np.sqrt(self.slope + scale**2)) * max(1.0, 20 / self.fewest)
        distances = np.linspace(0, reach, _GRID)
        variance = self.slope * distances / max(self.value + self.noise_power, np.finfo(float).tiny)
        simulated = distances[:, None] + np.sqrt(variance)[:, None] * draws + self.noise
        below = np.mean(simulated <= self.value, axis=1)
        tail = _TAIL * (1 - np.exp(-distances / scale))
        kept = distances[(below >= tail) & (below <= 1 - 2 * _TAIL + tail)]
        return (float(kept[0]), float(kept[-1])) if len(kept) else (0.0, 0.0)


def squared_distance(
    stacks: Sequence[tuple[Floats, Floats]],
    real_subjects: Groups,
    synthetic_subjects: Groups,
    kernel: Kernel,
    *,
    seed: int = 0,
    largest: int = LARGEST,
) -> SquaredDistance:
    """Return the squared distance of real and synthetic rows, the mean over stacks.

    Args:
        stacks: per stack, rows of the real images ``(n, dimension)`` and of the synthetic ones ``(m, dimension)``.
        real_subjects: of each real row; rows of one subject are no pair.
        synthetic_subjects: of each synthetic row.
        kernel: how alike two rows are.
        seed: decides the draws.
        largest: rows of a set that are compared.

    Raises:
        ValueError: a set is of fewer than two subjects.

    >>> rng = np.random.default_rng(0)
    >>> real, synthetic = rng.normal(size=(50, 4)), rng.normal(1, 1, size=(50, 4))
    >>> found = squared_distance([(real, synthetic)], np.arange(50), np.arange(50), linear_kernel).estimate()
    >>> found.low < 1 < found.high
    True
    """
    rng = np.random.default_rng(seed)
    real, synthetic = (_Rows.of(subjects, largest, rng) for subjects in (real_subjects, synthetic_subjects))
    pairs = [(np.asarray(a)[real.order], np.asarray(b)[synthetic.order]) for a, b in stacks]
    within_real = np.mean([_sums(kernel, a, a, real, real) for a, _ in pairs], axis=0)
    within_synthetic = np.mean([_sums(kernel, b, b, synthetic, synthetic) for _, b in pairs], axis=0)
    across = np.mean([_sums(kernel, a, b, real, synthetic) for a, b in pairs], axis=0)
    return _compare(within_real, within_synthetic, across, real.sizes, synthetic.sizes, seed)


def distance_of_means(
    real: Floats, synthetic: Floats, real_subjects: Subjects, synthetic_subjects: Subjects, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Return the root mean square difference of the means of two sets of rows, and what chance makes of it.

    Args:
        real: one row of numbers per image, ``(n, numbers)``.
        synthetic: ``(m, numbers)``.
        real_subjects: of each real image.
        synthetic_subjects: of each synthetic image.
        seed: decides the draws.

    Raises:
        ValueError: a set is of fewer than two subjects.
    """
    center = np.asarray(real, dtype=np.float64).mean(axis=0)
    stacks = [(real - center, synthetic - center)]
    distance = squared_distance(stacks, real_subjects, synthetic_subjects, linear_kernel, seed=seed)
    return root(distance.estimate()), root(distance.band())


def root(square: Estimate) -> Estimate:
    """Return the root of a squared distance; what is below 0 becomes 0.

    >>> root(Estimate(4.0, -1.0, 9.0))
    Estimate(value=2.0, low=0.0, high=3.0, method='')
    """
    value, low, high = np.sqrt(np.maximum([square.value, square.low, square.high], 0)).tolist()
    return Estimate(value, low, high, square.method)


@dataclass(frozen=True)
class _Rows:
    """The rows that are compared, those of one subject side by side.

    Args:
        order: indices of the rows.
        starts: where in ``order`` each subject begins.
        sizes: rows of each subject.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: Matrix

    @classmethod
    def of(cls, subjects: Groups, largest: int, rng: np.random.Generator) -> "_Rows":
        names = np.asarray(subjects)
        chosen = np.arange(len(names)) if len(names) <= largest else subset(names, largest, rng)
        _, inverse, sizes = np.unique(names[chosen], return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            raise ValueError("a distance of two sets needs two subjects in each")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        return cls(chosen[np.argsort(inverse, kind="stable")], starts, sizes.astype(np.float64))


def _sums(kernel: Kernel, a: Floats, b: Floats, rows: _Rows, columns: _Rows) -> Matrix:
    """Return the kernel summed over the pairs of rows of each pair of subjects."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    sums = np.zeros((len(rows.sizes), len(columns.sizes)))
    subjects = np.repeat(np.arange(len(rows.sizes)), rows.sizes.astype(int))
    for start in range(0, len(a), _CHUNK):
        part = slice(start, start + _CHUNK)
        np.add.at(sums, subjects[part], np.add.reduceat(kernel(a[part], b), columns.starts, axis=1))
    return sums


def _compare(
    within_real: Matrix, within_synthetic: Matrix, across: Matrix, real: Matrix, synthetic: Matrix, seed: int
) -> SquaredDistance:
    """Return Gretton et al.'s equation 3 from sums over subjects, whose sizes are ``real`` and ``synthetic``."""
    mean_real, rows_real = _mean_of_pairs(within_real, real)
    mean_synthetic, rows_synthetic = _mean_of_pairs(within_synthetic, synthetic)
    total = real.sum() * synthetic.sum()
    mean_across = across.sum() / total
    slope = sum(
        _variance(rows - (sums - mean_across * sizes * others.sum()) / total)
        for rows, sums, sizes, others in (
            (rows_real, across.sum(axis=1), real, synthetic),
            (rows_synthetic, across.sum(axis=0), synthetic, real),
        )
    )
    parts = _centered(within_real, real), _centered(within_synthetic, synthetic)
    between = (
        -np.sqrt(np.prod([len(sizes) / (len(sizes) - 1) for sizes in (real, synthetic)]))
        / total
        * (
            across
            - np.outer(real, across.sum(axis=0)) / real.sum()
            - np.outer(across.sum(axis=1), synthetic) / synthetic.sum()
            + np.outer(real, synthetic) * mean_across
        )
    )
    rng = np.random.default_rng(seed)
    gram = np.block([[parts[0], between], [between.T, parts[1]]])
    return SquaredDistance(
        value=float(mean_real + mean_synthetic - 2 * mean_across),
        slope=4 * float(slope),
        noise_power=float(gram.trace()),
        noise=_flipped(gram, rng),
        chance=_flipped(parts[0], rng) * (1 + len(real) / len(synthetic)),
        fewest=min(len(real), len(synthetic)),
        seed=seed,
    )


def _mean_of_pairs(sums: Matrix, sizes: Matrix) -> tuple[float, Matrix]:
    """Return the mean over pairs of different subjects, and what each subject adds to it beyond its size."""
    pairs = sizes.sum() ** 2 - (sizes**2).sum()
    rows = sums.sum(axis=1) - sums.diagonal()
    mean = rows.sum() / pairs
    return float(mean), (rows - mean * sizes * (sizes.sum() - sizes)) / pairs


def _variance(influences: Matrix) -> float:
    return float((influences**2).sum() * len(influences) / (len(influences) - 1))


def _centered(sums: Matrix, sizes: Matrix) -> Matrix:
    """Return the products of the subjects' deviations from the mean of their set, each as a share of that mean."""
    rows, total = sums.sum(axis=1), sizes.sum()
    centered = sums - (np.outer(sizes, rows) + np.outer(rows, sizes)) / total
    centered += np.outer(sizes, sizes) * rows.sum() / total**2
    scaled: Matrix = centered / total**2 * len(sizes) / (len(sizes) - 1)
    return scaled


def _flipped(gram: Matrix, rng: np.random.Generator) -> Matrix:
    """Return draws of Σ ± gram[a, b] over pairs of different subjects with random signs of the subjects."""
    pairs = gram.astype(np.float32)
    np.fill_diagonal(pairs, 0)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), size=(len(gram), _DRAWS))
    draws: Matrix = ((pairs @ signs) * signs).sum(axis=0).astype(np.float64)
    return draws
