"""Near twins: images that are variants of one another, found in what lies where in them."""

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.causes.appearance import Planes, layout
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects

_DIMENSIONS = 20
"""Principal components in which images are compared."""
_TWINS = 0.1
"""Share of the real images that have so near a neighbor: the distance of twins."""
_FEW = 0.5
"""Groups of twins over those of as many real images, below which images of a group count as one."""


def find_variants(real: Planes, synthetic: Planes, subjects: Subjects) -> Subjects:
    """Return the ``subjects`` of synthetic images; the group of twins of each, where images are variants of a few.

    Seventy variants of four images tell of four images: what these have in common by chance is no change of the set.
    """
    groups, usual = _groups_of(real, synthetic)
    return groups.astype(str) if _are_few(groups, usual) else subjects


def are_variants(real: Planes, synthetic: Planes) -> bool:
    """Return whether the synthetic images are variants of a few, judged by as many of them as there are real ones.

    The more images there are, the nearer they lie, whether they are variants or not.
    """
    as_many = np.random.default_rng(0).permutation(len(synthetic))[: len(real)]
    return _are_few(*_groups_of(real, synthetic[as_many]))


def _groups_of(real: Planes, synthetic: Planes) -> tuple[Indices, Indices]:
    """Return the group of twins of each synthetic and of each real image."""
    points = project(layout_points(real), layout_points(synthetic))
    limit = twin_distance(points[0])
    return twin_groups(points[1], limit), twin_groups(points[0], limit)


def _are_few(groups: Indices, usual: Indices) -> bool:
    return len(np.unique(groups)) / len(groups) < _FEW * len(np.unique(usual)) / len(usual)


def layout_points(planes: Planes) -> Floats:
    """Return what lies where in each image, which noise and blur hardly change, ``(n, values)``."""
    return layout(planes.reshape(-1, *planes.shape[2:])).reshape(len(planes), -1)


def project(real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Return the first principal components of both sets together, of which neither was chosen for the other."""
    both = np.concatenate([real, synthetic])
    both = both - both.mean(axis=0)
    components = both @ np.linalg.svd(both, full_matrices=False)[2][:_DIMENSIONS].T
    return components[: len(real)], components[len(real) :]


def distances(a: Floats, b: Floats) -> NDArray[np.float64]:
    """Return the distance of every pair, ``(len(a), len(b))``."""
    from scipy.spatial.distance import cdist

    pairs: NDArray[np.float64] = cdist(a, b)
    return pairs


def twin_distance(real: Floats) -> float:
    """Return the distance that only few real images have to their nearest one."""
    pairs = distances(real, real)
    np.fill_diagonal(pairs, np.inf)
    return float(np.quantile(pairs.min(axis=1), _TWINS))


def twin_groups(points: Floats, limit: float) -> Indices:
    """Return the group of each image, where images nearer than ``limit`` are of one group, ``(n,)``.

    >>> twin_groups(np.array([[0.0], [0.1], [0.2], [5.0]]), 0.1 + 1e-9).tolist()
    [0, 0, 0, 1]
    """
    from scipy.sparse.csgraph import connected_components

    groups: Indices = connected_components(distances(points, points) <= limit)[1]
    return groups
