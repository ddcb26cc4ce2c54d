"""Kernel distance (KID): the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018)."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gandlf_synth.metrics.discrepancy import LARGEST, squared_distance
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Groups
from gandlf_synth.metrics.results import Check, Measurement
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Measure, MeasureSettings, SetMetric, itself, too_few

_USUAL_POWER = (0.02, 20.0)
"""Mean squares of features between which thresholds of the distance mean something."""
_CRITERION = Criterion(
    "kid", "Kernel distance; it is 0 on average for real images.", 0.02, 0.2, itself,
    "features are distributed like real ones", "features are distributed unlike real ones", FEWEST,
)  # fmt: skip


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
    within = sum((kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in map(_own, (a, b)))
    return float(within - 2 * cubic_kernel(a, b).mean())


def _own(features: Floats) -> Floats:
    return cubic_kernel(features, features)


def image_kernel_distance(
    real: Floats, synthetic: Floats, real_subjects: Groups, synthetic_subjects: Groups, *, seed: int = 0
) -> Estimate:
    """Return the kernel distance of images, the mean over stacks, with its interval; pairs of a subject are left out.

    Args:
        real: features ``(n, stacks, slices, dimension)``.
        synthetic: features ``(m, stacks, slices, dimension)``.
        real_subjects: of each real image.
        synthetic_subjects: of each synthetic image.
        seed: decides the draws that the interval follows from.

    Returns:
        The distance; nan where a set is of one subject.
    """
    if min(len(np.unique(np.asarray(names))) for names in (real_subjects, synthetic_subjects)) < 2:
        nan = float("nan")
        return Estimate(nan, nan, nan)
    stacks = [(_rows(real, k), _rows(synthetic, k)) for k in range(real.shape[1])]
    slices, others = (
        np.repeat(np.asarray(names), part.shape[2])
        for names, part in ((real_subjects, real), (synthetic_subjects, synthetic))
    )
    return squared_distance(stacks, slices, others, cubic_kernel, seed=seed).estimate()


def _rows(features: Floats, stack: int) -> Floats:
    return features[:, stack].reshape(-1, features.shape[-1])


class KernelDistance(SetMetric):
    """KID of all planes or volumes, without pairs of one subject; reliable at any number of images."""

    largest: int = LARGEST
    """Planes or volumes of a set that are compared; the cost grows with the square."""

    position: ClassVar[int] = 10
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "kid", "Distance of features (KID)", "faithful", "lower",
            criterion=_CRITERION,
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance, mean over stacks, and where it lies by chance for images like the real ones."""
        real, synthetic, extractor = sets.real, sets.synthetic, settings.extractor
        reason = too_few(sets)
        if reason:
            return Measurement([self.metric("kid", sets, extractor=extractor, refused=reason)])
        distance = squared_distance(
            [(real.stack(k), synthetic.stack(k)) for k in range(real.num_stacks)],
            real.row_subjects, synthetic.row_subjects, cubic_kernel, seed=settings.seed, largest=self.largest,
        )  # fmt: skip
        power = float(np.mean([np.square(real.stack(k), dtype=np.float64).mean() for k in range(real.num_stacks)]))
        note = (
            f"unbiased; of up to {self.largest} {real.rows} of a set, without pairs of one subject; "
            "not multiplied by 1000"
        )
        value, band, details = distance.estimate(), distance.band(), {"mean_square": power}
        metric = self.metric("kid", sets, value, band, extractor=extractor, note=note, details=details)
        return Measurement([metric])

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the check; unknown where features are too small, or too large, for thresholds of the distance.

        The kernel presumes features with a mean square of about 1 (0.2 to 1 for networks that learned from ImageNet).
        For an extractor that gives vectors of length 1, no distance ever reaches the thresholds. Thresholds that a
        person has given are taken to be made for the features.
        """
        (check,) = super().checks(measurement, thresholds)
        power = measurement.metrics[0].details.get("mean_square", 1.0)
        own = any(thresholds[name] != usual for name, usual in _CRITERION.defaults.items())
        small, large = power < _USUAL_POWER[0], power > _USUAL_POWER[1]
        if own or not ((small and check.outcome in ("good", "look")) or (large and check.outcome in ("look", "bad"))):
            return [check]
        sentence = (
            f"the features have a mean square of {power:.2g}, for which the thresholds of this distance are not made; "
            "compare it with real against real, or give kid_good and kid_bad"
        )
        return [check.model_copy(update={"outcome": "unknown", "sentence": sentence, "p_value": None})]
