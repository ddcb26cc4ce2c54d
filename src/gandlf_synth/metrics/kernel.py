"""Kernel distance: the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def cubic_kernel(a: Floats, b: Floats) -> Floats:
    """Return (a·b / dimension + 1)³ for every pair of rows, ``(len(a), len(b))``."""
    kernel: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def kernel_distance(a: Floats, b: Floats) -> float:
    """Return the unbiased MMD² of ``a (n, dimension)`` and ``b (m, dimension)``.

    For equal distributions it is 0 on average, so single values fall below 0 as well (Gretton et al. 2012, equation 3).

    Raises:
        ValueError: fewer than two rows in a set.
    """
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError("the kernel distance needs two features per set")
    a, b = a.astype(np.float64), b.astype(np.float64)
    within_a, within_b = cubic_kernel(a, a), cubic_kernel(b, b)
    within = (within_a.sum() - np.trace(within_a)) / (n * (n - 1)) + (within_b.sum() - np.trace(within_b)) / (
        m * (m - 1)
    )
    return float(within - 2 * cubic_kernel(a, b).mean())
