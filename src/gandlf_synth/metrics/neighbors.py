"""Nearest neighbors in feature space, a chunk of rows at a time, so that memory does not grow with the square."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.intervals import Floats, Indices

_CHUNK = 1024


def distance_rows(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of ``a (n, dimension)`` with their Euclidean distances to all of ``b``, ``(chunk, len(b))``."""
    b = np.asarray(b, dtype=np.float64)
    norms = (b**2).sum(axis=1)
    for start in range(0, len(a), _CHUNK):
        rows = np.asarray(a[start : start + _CHUNK], dtype=np.float64)
        squares = (rows**2).sum(axis=1)[:, None] + norms - 2 * rows @ b.T
        yield slice(start, start + len(rows)), np.sqrt(squares.clip(0))


def all_distances(a: Floats, b: Floats) -> Floats:
    """Return the Euclidean distance of every row of ``a`` to every row of ``b``, ``(len(a), len(b))``, as float32.

    >>> all_distances(np.array([[0.0], [3.0]]), np.array([[1.0]])).tolist()
    [[1.0], [2.0]]
    """
    distances = np.empty((len(a), len(b)), dtype=np.float32)
    for rows, part in distance_rows(a, b):
        distances[rows] = part
    return distances


def radii(features: Floats, k: int) -> NDArray[np.float64]:
    """Return each row's distance to its ``k``-th nearest other row, ``(n,)``.

    >>> radii(np.array([[0.0], [1.0], [3.0]]), k=1)
    array([1., 1., 2.])
    """
    distance = np.empty(len(features))
    for rows, distances in distance_rows(features, features):
        distance[rows] = np.partition(distances, k, axis=1)[:, k]
    return distance


def nearest(a: Floats, b: Floats) -> tuple[Indices, NDArray[np.float64]]:
    """Return for each row of ``a`` the index of the nearest row of ``b`` and its distance.

    >>> nearest(np.array([[0.0], [5.0]]), np.array([[4.0], [1.0]]))
    (array([1, 0]), array([1., 1.]))
    """
    index, distance = np.empty(len(a), dtype=np.int64), np.empty(len(a))
    for rows, distances in distance_rows(a, b):
        index[rows] = distances.argmin(axis=1)
        distance[rows] = distances.min(axis=1)
    return index, distance
