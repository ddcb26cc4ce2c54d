"""Distances between many rows, a chunk at a time, so that memory does not grow with the square of the number."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_CHUNK = 1024


def distance_rows(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of ``a (n, dimension)`` with their Euclidean distances to all of ``b``, ``(chunk, len(b))``."""
    b = np.asarray(b, dtype=np.float64)
    norms = (b**2).sum(axis=1)
    for start in range(0, len(a), _CHUNK):
        rows = np.asarray(a[start : start + _CHUNK], dtype=np.float64)
        squares = (rows**2).sum(axis=1)[:, None] + norms - 2 * rows @ b.T
        yield slice(start, start + len(rows)), np.sqrt(squares.clip(0))


def radii(features: Floats, k: int) -> NDArray[np.float64]:
    """Return each row's distance to its ``k``-th nearest other row, ``(n,)``."""
    found = np.empty(len(features))
    for rows, distances in distance_rows(features, features):
        found[rows] = np.partition(distances, k, axis=1)[:, k]
    return found


def nearest(a: Floats, b: Floats) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each row of ``a`` the index of the nearest row of ``b`` and its distance."""
    index, found = np.empty(len(a), dtype=np.int64), np.empty(len(a))
    for rows, distances in distance_rows(a, b):
        index[rows] = distances.argmin(axis=1)
        found[rows] = distances.min(axis=1)
    return index, found


def nearest_of_others(features: Floats, groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return each row's distance to the nearest row of another group; inf where there is only one group."""
    found = np.empty(len(features))
    for rows, distances in distance_rows(features, features):
        distances[groups[rows, None] == groups] = np.inf
        found[rows] = distances.min(axis=1)
    return found
