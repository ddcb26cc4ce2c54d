"""Mode collapse: many images that are variants of a few, measured by the Vendi score and by groups of near twins."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.causes.acquisition import fixed_field
from gandlf_synth.evaluation.causes.appearance import Planes, layout, middle_planes
from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.causes.degradation import clipped
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects

_FEWEST = 16
_MOST = 400
_REPEATS = 10
_LOOK, _BAD = 0.75, 0.5
"""Variety over that of as many real images."""
_DIMENSIONS = 20
"""Principal components in which images are compared."""
_LEAST = 1e-6
"""Median distance of real images that are all the same, such as those that a window makes white."""
_TWINS = 0.1
"""Share of the real images that have so near a neighbor: the distance of twins."""


def find_collapse(sets: ImageSets, change: Callable[[Planes], Planes] | None = None) -> list[Cause]:
    """Return whether the images are variants of a few, as one cause.

    Args:
        sets: the images.
        change: what has to be done to all real images to make them look like the synthetic ones.
    """
    known = _of_like_classes(sets)
    count = min(len(np.unique(sets.real.subjects[known])), len(sets.synthetic), _MOST)
    if count < _FEWEST:
        return []
    planes = [middle_planes(part, np.arange(len(part))) for part in (sets.real, sets.synthetic)]
    # Shading that was not recognized lowers the variety too, but is no collapse.
    planes[0] = clipped(planes[0] * fixed_field(*planes)) if change is None else change(planes[0])
    points = _points(planes[0]), _points(planes[1])
    rng = np.random.default_rng(0)
    ratios, groups, usual = [], [], []
    for _ in range(_REPEATS):
        chosen = _one_per_subject(sets.real.subjects, known, count, rng), rng.permutation(len(sets.synthetic))[:count]
        real, synthetic = _project(*(part[rows] for part, rows in zip(points, chosen, strict=True)))
        scale = max(float(np.median(_distances(real, real))), _LEAST)
        scores = [vendi_score(np.exp(-((_distances(part, part) / scale) ** 2))) for part in (real, synthetic)]
        ratios.append(scores[1] / scores[0])
        twins = float(np.quantile(_to_nearest(real), _TWINS))
        usual.append(_groups(real, twins))
        groups.append(_groups(synthetic, twins))
    variety, kinds = float(np.mean(ratios)), float(np.mean(groups) / max(float(np.mean(usual)), 1))
    strength = min(variety, kinds)
    if variety >= _LOOK and kinds >= _BAD:
        return []
    what = "mode collapse" if kinds < _LOOK or strength < _BAD else "less variety than in real images"
    sentence = (
        f"{what}: {count} images fall into {np.mean(groups):.0f} groups of near twins, as many real ones into "
        f"{np.mean(usual):.0f}; variety (Vendi score) is {variety:.0%} of that of real images"
    )
    outcome = "bad" if strength < _BAD else "look"
    return [
        Cause(
            name="mode_collapse", question="diverse", outcome=outcome, sentence=sentence, strength=strength,
            limit=_LOOK, explains=("recall", "coverage", "class_coverage", "ms_ssim", "kid", "fid"),
        )
    ]  # fmt: skip


def vendi_score(similarity: Floats) -> float:
    """Return how many different images a set has (Friedman & Dieng 2023, equation 2).

    Args:
        similarity: of every pair, 1 for the same image, ``(n, n)``.

    >>> round(vendi_score(np.eye(4)), 6), round(vendi_score(np.ones((4, 4))), 6)
    (4.0, 1.0)
    """
    shares = np.linalg.eigvalsh(np.asarray(similarity, dtype=np.float64) / len(similarity))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _points(planes: Planes) -> Floats:
    """Return what lies where in each image, which noise and blur hardly change, ``(n, values)``."""
    return layout(planes.reshape(-1, *planes.shape[2:])).reshape(len(planes), -1)


def _project(real: Floats, synthetic: Floats) -> tuple[Floats, Floats]:
    """Return the first principal components of both sets together, of which neither was chosen for the other."""
    both = np.concatenate([real, synthetic])
    both = both - both.mean(axis=0)
    components = both @ np.linalg.svd(both, full_matrices=False)[2][:_DIMENSIONS].T
    return components[: len(real)], components[len(real) :]


def _distances(a: Floats, b: Floats) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    distances: NDArray[np.float64] = cdist(a, b)
    return distances


def _to_nearest(points: Floats) -> NDArray[np.float64]:
    distances = _distances(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest: NDArray[np.float64] = distances.min(axis=1)
    return nearest


def _of_like_classes(sets: ImageSets) -> Indices:
    """Return the real images of classes that the synthetic ones have: that a class is missing is another cause."""
    if not sets.real.labels or not sets.synthetic.labels:
        return np.arange(len(sets.real))
    known = np.flatnonzero(np.isin(sets.real.labels, sets.synthetic.labels))
    return known if len(known) >= _FEWEST else np.arange(len(sets.real))


def _one_per_subject(subjects: Subjects, known: Indices, count: int, rng: np.random.Generator) -> Indices:
    order = rng.permutation(known)
    _, first = np.unique(subjects[order], return_index=True)
    return order[np.sort(first)][:count]


def _groups(points: Floats, limit: float) -> int:
    """Return how many groups there are, where images nearer than ``limit`` are of one group."""
    from scipy.sparse.csgraph import connected_components

    return int(connected_components(_distances(points, points) <= limit)[0])
