"""Numbers with intervals, for images that come in groups: two slices of one subject are not two observations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
Subjects = NDArray[np.str_]
Groups = Sequence[str] | Subjects
"""The group of each observation, such as its subject."""

_Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: the number.
        low, high: the interval's ends; nan where there is none.
        method: how the interval was found.

    >>> Estimate(0.9, 0.7, 1.1).within(0, 1)
    Estimate(value=0.9, low=0.7, high=1, method='')
    """

    value: float
    low: float
    high: float
    method: str = ""

    def within(self, lowest: float, highest: float) -> "Estimate":
        """Return the estimate with its interval cut to the values that are possible."""
        return replace(self, low=max(self.low, lowest), high=min(self.high, highest))

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval: one subject alone has none."""
        return not np.isnan(self.low)

    @property
    def spread(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


_BOOTSTRAP_REPEATS = 200


def members(groups: Groups) -> list[Indices]:
    """Return the indices of every group, such as the images of every subject, in sorted order of the names.

    >>> [indices.tolist() for indices in members(["b", "a", "b"])]
    [[1], [0, 2]]
    """
    names, inverse = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(inverse, minlength=len(names)))[:-1]))


def bootstrap(
    statistic: Callable[..., float],
    groups: Sequence[Groups],
    *,
    repeats: int = _BOOTSTRAP_REPEATS,
    seed: int = 0,
    method: str = "bootstrap by subject",
) -> Estimate:
    """Return a statistic of one or more samples with its percentile interval, resampling whole groups.

    Args:
        statistic: takes one array of indices per sample.
        groups: per sample, the group of each observation.
        repeats: resamplings.
        seed: decides them.
        method: what the interval is said to be.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; groups: Davison & Hinkley, 3.8.

    >>> values = np.arange(10.0)
    >>> estimate = bootstrap(lambda chosen: float(values[chosen].mean()), [list("aabbccddee")])
    >>> estimate.value, estimate.low < 4.5 < estimate.high
    (4.5, True)
    """
    rng = np.random.default_rng(seed)
    divided = [members(group) for group in groups]
    value = statistic(*(np.arange(len(group)) for group in groups))
    resampled = []
    for _ in range(repeats):
        picks = [np.concatenate([parts[k] for k in rng.integers(0, len(parts), len(parts))]) for parts in divided]
        resampled.append(statistic(*picks))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), method)


def halves(groups: Groups, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Return the indices of two random halves that share no group.

    Raises:
        ValueError: there is one group only.
    """
    parts = members(groups)
    if len(parts) < 2:
        raise ValueError("one group cannot be halved")
    order = rng.permutation(len(parts))
    cut = len(parts) // 2
    return (
        np.sort(np.concatenate([parts[k] for k in order[:cut]])),
        np.sort(np.concatenate([parts[k] for k in order[cut:]])),
    )


def subset(groups: Groups, count: int, rng: np.random.Generator) -> Indices:
    """Return about ``count`` indices in whole groups, drawn without replacement; at least one group."""
    parts = members(groups)
    picked: list[Indices] = []
    for k in rng.permutation(len(parts)):
        if picked and sum(len(part) for part in picked) + len(parts[k]) > count:
            break
        picked.append(parts[k])
    return np.sort(np.concatenate(picked))


def of_subsamples(values: Sequence[float | np.floating], whole: float | None = None, shrink: float = 1.0) -> Estimate:
    """Return a mean with the interval that values on subsamples give (delete-d jackknife; Shao & Wu 1989).

    Args:
        values: the statistic on random subsamples of size m drawn without replacement from n.
        whole: the statistic on everything; None: the mean of ``values``.
        shrink: the square root of m / (n - m), 1 for halves.
    """
    numbers = np.array([float(value) for value in values])
    value = float(numbers.mean()) if whole is None else whole
    spread = _Z * float(numbers.std(ddof=1)) * shrink if len(values) > 1 else float("nan")
    return Estimate(value, value - spread, value + spread, "subsampling by subject")


def share(successes: float, total: int) -> Estimate:
    """Return a proportion with Wilson's score interval (Wilson 1927); nan when ``total`` is 0.

    >>> estimate = share(1, 10)
    >>> round(estimate.low, 4), round(estimate.high, 4)
    (0.0179, 0.4042)
    """
    if total == 0:
        return Estimate(float("nan"), 0.0, 1.0, "Wilson score")
    p, n = successes / total, total
    center = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    spread = _Z / (1 + _Z**2 / n) * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    low, high = float(center - spread), float(center + spread)
    return Estimate(p, min(p, max(0.0, low)), max(p, min(1.0, high)), "Wilson score")  # rounding: 0 in [1e-17, …]


def auc(positive: Floats, negative: Floats) -> float:
    """Return the area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    Source: Hanley & McNeil 1982 (the Mann-Whitney statistic).

    >>> auc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positive, negative]))
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))
