"""Precision, recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020) by nearest neighbours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.neighbours import distance_rows, radii

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Prdc:
    """How two sets of features overlap.

    Args:
        precision: share of synthetic images within some real image's neighbourhood.
        recall: share of real images within some synthetic image's neighbourhood.
        density: how many real neighbourhoods a synthetic image lies in, over ``k``; 1 for equal distributions.
        covered: per real image, whether its neighbourhood holds a synthetic one.
    """

    precision: float
    recall: float
    density: float
    covered: NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """Share of real images whose neighbourhood holds a synthetic one."""
        return float(self.covered.mean())


def prdc(real: Floats, synthetic: Floats, k: int = 5) -> Prdc:
    """Return the overlap of ``real (n, dimension)`` and ``synthetic (m, dimension)``.

    A neighbourhood is the open ball that reaches to the ``k``-th nearest image of the same set; ``k`` is lowered to
    what the smaller set has.

    Raises:
        ValueError: fewer than two rows in a set.
    """
    k = min(k, len(real) - 1, len(synthetic) - 1)
    if k < 1:
        raise ValueError("neighbours need two features per set")
    real_radii, synthetic_radii = radii(real, k), radii(synthetic, k)
    inside = np.zeros(len(synthetic), dtype=np.int64)
    recalled, covered = np.zeros(len(real), dtype=bool), np.zeros(len(real), dtype=bool)
    for rows, distances in distance_rows(real, synthetic):
        within = distances < real_radii[rows, None]
        inside += within.sum(axis=0)
        covered[rows] = within.any(axis=1)
        recalled[rows] = (distances < synthetic_radii).any(axis=1)
    return Prdc(float((inside > 0).mean()), float(recalled.mean()), float(inside.mean() / k), covered)
