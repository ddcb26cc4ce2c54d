"""Finds for many arrays of unit length an earlier one that is almost the same, without comparing all pairs."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.launcher import usable_cores

Vectors = NDArray[np.floating]
_COMPONENTS = 16
"""Dimensions of the tree: with more it tells more vectors apart, and is slower."""
_FITTED = 2000
"""Vectors that the main components are computed from."""
_FIRST_NEIGHBORS = 8
_COMPARED_AT_ONCE = 2**18


class NearIndex:
    """A tree of arrays that count as vectors, with the group that each belongs to.

    Two vectors of unit length whose dot product is ``closeness`` are ``sqrt(2 - 2 · closeness)`` apart. Projected on
    orthonormal axes they are at most so far apart, so that a search of the tree with this radius misses none; what it
    finds is compared in full.

    Args:
        vectors: ``(count, *shape)``, each of unit length.
        groups: of each vector.
        closeness: the dot product above which two count as alike.
    """

    def __init__(self, vectors: Vectors, groups: Sequence[int], closeness: float) -> None:
        from scipy.spatial import cKDTree

        self._vectors, self._groups, self._closeness = vectors, np.array(groups), closeness
        self._radius = float(np.sqrt(2 - 2 * closeness)) * (1 + 1e-3)
        self._axes = _main_axes(vectors)
        self._tree = cKDTree(self._projected(vectors))

    def earlier_matches(self, queries: Vectors) -> Iterator[tuple[int, int, bool]]:
        """Yield for each query an earlier vector of its own group that is like it, and one of another group.

        Args:
            queries: one for each vector: itself, or something that may be like another vector.

        Yields:
            The place of the earlier vector, the place of the query, and whether they are of one group.
        """
        points = self._projected(queries)
        for of_one_group in (True, False):
            waiting = np.arange(1, len(queries)) if of_one_group or len(set(self._groups)) > 1 else np.arange(0)
            count = min(_FIRST_NEIGHBORS, len(queries))
            while len(waiting):
                unsure = []
                for part in np.array_split(waiting, 1 + len(waiting) * count // _COMPARED_AT_ONCE):
                    found, exhausted = self._nearest(points[part], queries, part, count, of_one_group)
                    for one, own in zip(found.tolist(), part.tolist(), strict=True):
                        if one >= 0:
                            yield one, own, of_one_group
                    unsure.append(part[(found < 0) & ~exhausted])
                waiting = np.concatenate(unsure)
                count = min(4 * count, len(queries))

    def _nearest(
        self, points: Vectors, queries: Vectors, places: NDArray[np.int64], count: int, of_one_group: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return an earlier match among the ``count`` nearest, -1 for none, and whether there are no more near ones."""
        _, near = self._tree.query(points, count, distance_upper_bound=self._radius, workers=usable_cores())
        near = near.reshape(len(places), count)
        is_there = near < len(self._vectors)
        exhausted = ~is_there.all(axis=1) | (count == len(self._vectors))
        same = self._groups[np.where(is_there, near, 0)] == self._groups[places][:, None]
        wanted = is_there & (near < places[:, None]) & (same if of_one_group else ~same)
        first = np.full(len(places), -1, np.int64)
        rows, columns = np.nonzero(wanted)
        for start in range(0, len(rows), _FITTED):
            row = rows[start : start + _FITTED]
            others = near[row, columns[start : start + _FITTED]]
            products = (_flat(queries[places[row]]) * _flat(self._vectors[others])).sum(axis=1)
            for place in np.flatnonzero(products > self._closeness)[::-1]:
                first[row[place]] = others[place]
        return first, exhausted

    def _projected(self, vectors: Vectors) -> NDArray[np.float32]:
        starts = range(0, len(vectors), _FITTED)
        return np.concatenate([_flat(vectors[start : start + _FITTED]) @ self._axes for start in starts])


def _flat(vectors: Vectors) -> NDArray[np.float32]:
    return vectors.reshape(len(vectors), -1).astype(np.float32)


def _main_axes(vectors: Vectors) -> NDArray[np.float32]:
    """Return the orthonormal axes along which ``vectors`` differ most, ``(length, axes)``."""
    some = _flat(vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), _FITTED)).astype(int)])
    centred = some - some.mean(axis=0)
    if len(centred) < centred.shape[1]:  # the smaller of the two matrices has the same main components
        weights = np.linalg.eigh(centred @ centred.T)[1][:, ::-1][:, :_COMPONENTS]
        axes = np.linalg.qr(centred.T @ weights)[0]
    else:
        axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_COMPONENTS]
    return np.ascontiguousarray(axes, np.float32)
