"""Which images lie the other way round, one by one: a classifier of both ways that learns from real images.

Anatomies differ more from one another than an image from its mirror image, so that the nearest real images do not tell
on which side a heart lies. A linear classifier of what changes its sign in the mirror does.
"""

from collections.abc import Callable

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes, layout
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects

_TOLD_APART = 0.9
"""Share of the real images, of other subjects than it learned from, that the classifier must get right."""
_PARTS = 10
_PENALTY = 1.0
"""Of the weights, as a share of the mean power of the images."""
_LEAST = 0.02
"""Of real images that were turned, the share that may lie less surely the other way round than what is named: an image
that is changed otherwise, such as by a seam, lies neither way."""
_SURE = 0.02


def lying_otherwise(real: Planes, synthetic: Planes, subjects: Subjects, turn: Callable[[Planes], Planes]) -> Indices:
    """Return which synthetic images lie as ``turn`` makes real ones lie, the surest first.

    None where both ways cannot be told apart image by image, or no more of them do than chance explains. Each lies
    farther that way than any real image, and as far as real images that are turned.

    Args:
        real: images to learn from.
        synthetic: images to judge.
        subjects: of the real images.
        turn: brings images back if it is done twice.
    """
    from scipy.stats import fisher_exact

    sides = _sides(real, turn)
    usual = _of_other_subjects(sides, subjects)
    scores = _sides(synthetic, turn) @ _learn(sides)
    limit = min(float(usual.min()), -float(np.quantile(usual, _LEAST)), 0.0)
    places = np.flatnonzero(scores < limit)
    table = [[len(places), len(scores) - len(places)], [0, len(usual)]]
    if (usual > 0).mean() < _TOLD_APART or fisher_exact(table, alternative="greater").pvalue > _SURE:
        return np.empty(0, dtype=np.int64)
    return places[np.argsort(scores[places])]


def _sides(planes: Planes, turn: Callable[[Planes], Planes]) -> Floats:
    """Return what changes its sign in the turned image, ``(n, values)``."""
    both = [layout(part.reshape(-1, *part.shape[2:])).reshape(len(part), -1) for part in (planes, turn(planes))]
    return np.asarray(both[0] - both[1])


def _learn(sides: Floats) -> Floats:
    """Return weights whose product with ``sides`` is about 1, and about -1 for turned images."""
    power = sides.T @ sides / len(sides)
    penalty = _PENALTY * max(float(np.trace(power)) / len(power), 1e-12)
    weights: Floats = np.linalg.solve(power + penalty * np.eye(len(power)), sides.mean(axis=0))
    return weights


def _of_other_subjects(sides: Floats, subjects: Subjects) -> Floats:
    """Return the product for each image, with weights learned from other subjects."""
    codes = np.unique(subjects, return_inverse=True)[1] % _PARTS
    scores = np.zeros(len(sides))
    for part in np.unique(codes):
        scores[codes == part] = sides[codes == part] @ _learn(sides[codes != part])
    return scores
