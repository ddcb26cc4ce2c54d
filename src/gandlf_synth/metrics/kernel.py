"""Kernel distance (KID): the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018)."""

from typing import ClassVar

import numpy as np

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, bootstrap, halves, of_subsamples, subset
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, above_floor


def cubic_kernel(a: Floats, b: Floats) -> Floats:
    """Return (a·b / dimension + 1)³ for every pair of rows, ``(len(a), len(b))``.

    >>> cubic_kernel(np.array([[1.0, 1.0]]), np.array([[1.0, 1.0], [-1.0, -1.0]]))
    array([[8., 0.]])
    """
    kernel: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def kernel_distance(a: Floats, b: Floats) -> float:
    """Return the unbiased MMD² of ``a (n, dimension)`` and ``b (m, dimension)``.

    For equal distributions it is 0 on average, so single values fall below 0 as well (Gretton et al. 2012, equation 3).

    Raises:
        ValueError: fewer than two rows in a set.

    >>> rng = np.random.default_rng(0)
    >>> near, far = (kernel_distance(rng.normal(size=(90, 8)), rng.normal(shift, 1, (90, 8))) for shift in (0, 1))
    >>> abs(near) < 0.5 < far
    True
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("the kernel distance needs two features per set")
    a, b = a.astype(np.float64), b.astype(np.float64)
    rows = np.arange(len(a)), np.arange(len(b))
    return _discrepancy(cubic_kernel(a, a), cubic_kernel(b, b), cubic_kernel(a, b), *rows)


def image_kernel_distance(real: Floats, synthetic: Floats, *, repeats: int = 200, seed: int = 0) -> Estimate:
    """Return the kernel distance of images, the mean over stacks, with its bootstrap interval over images.

    The kernel between two images is the mean over their slices, so that slices of one image are never a pair.

    Args:
        real: features ``(n, stacks, slices, dimension)``.
        synthetic: features ``(m, stacks, slices, dimension)``.
        repeats: resamplings.
        seed: decides them.
    """
    stacks = [(real[:, k].astype(np.float64), synthetic[:, k].astype(np.float64)) for k in range(real.shape[1])]
    kernels = [(_image_kernel(a, a), _image_kernel(b, b), _image_kernel(a, b)) for a, b in stacks]

    def distance(i: Indices, j: Indices) -> float:
        parts = [(a[np.ix_(i, i)], b[np.ix_(j, j)], across[np.ix_(i, j)]) for a, b, across in kernels]
        return float(np.mean([_discrepancy(*part, i, j) for part in parts]))

    images = [[f"{index:09d}" for index in range(len(part))] for part in (real, synthetic)]
    return bootstrap(distance, images, repeats=repeats, seed=seed)


def _image_kernel(a: Floats, b: Floats) -> Floats:
    values = cubic_kernel(a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1]))
    means: Floats = values.reshape(len(a), a.shape[1], len(b), b.shape[1]).mean(axis=(1, 3))
    return means


def _discrepancy(within_a: Floats, within_b: Floats, across: Floats, rows_a: Indices, rows_b: Indices) -> float:
    """Return Gretton et al.'s equation 3 from the kernels; ``rows`` say which rows are the same observation."""
    return float(_mean_of_pairs(within_a, rows_a) + _mean_of_pairs(within_b, rows_b) - 2 * across.mean())


def _mean_of_pairs(kernel: Floats, rows: Indices) -> np.floating:
    same = rows[:, None] == rows
    mean: np.floating = (kernel.sum() - kernel[same].sum()) / np.count_nonzero(~same)
    return mean


class KernelDistance(SetMetric):
    """KID on random subsets by subject; reliable at any number of images."""

    subsets: int = 20
    """How many random subsets are compared."""
    subset_size: int = 1000
    """Planes or volumes in a subset, at most."""

    position: ClassVar[int] = 10
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "kid", "Kernel distance (KID)", "faithful", "lower",
            criterion=Criterion(
                "kid", "Kernel distance above its floor.", 0.02, 0.2, above_floor,
                "features are distributed like real ones", "features are distributed unlike real ones",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance on random subsets, mean over stacks; the floor is on halves of the real images."""
        real, synthetic = sets.real, sets.synthetic
        rng = np.random.default_rng(settings.seed)
        stacks = [(real.stack(k), synthetic.stack(k)) for k in range(real.num_stacks)]
        count = min(self.subset_size, max(2, len(synthetic.row_subjects) // 2))
        values, floors = [], []
        for _ in range(self.subsets):
            first, second = (self._at_most(half, rng) for half in halves(real.row_subjects, rng))
            other = self._at_most(subset(synthetic.row_subjects, count, rng), rng)
            values.append(np.mean([kernel_distance(r[first], s[other]) for r, s in stacks]))
            floors.append(np.mean([kernel_distance(r[first], r[second]) for r, _ in stacks]))
        size = min(self.subset_size, len(real.row_subjects) // 2)
        shrink = float(np.sqrt(size / (len(real.row_subjects) - size)))
        value, floor = of_subsamples(values, shrink=shrink), of_subsamples(floors, shrink=shrink)
        note = (
            f"unbiased; {self.subsets} subsets of up to {self.subset_size} {real.rows}, by subject; "
            "not multiplied by 1000"
        )
        return Measurement([self.metric("kid", sets, value, floor, extractor=settings.extractor, note=note)])

    def _at_most(self, rows: Indices, rng: np.random.Generator) -> Indices:
        return rows if len(rows) <= self.subset_size else rng.choice(rows, self.subset_size, replace=False)
