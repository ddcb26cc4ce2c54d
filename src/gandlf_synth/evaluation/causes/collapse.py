"""Mode collapse: many images that are variants of a few, measured by the Vendi score and by groups of near twins."""

from collections.abc import Callable

import numpy as np

from gandlf_synth.evaluation.causes.acquisition import fixed_field
from gandlf_synth.evaluation.causes.appearance import Planes, middle_planes
from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.causes.degradation import clipped
from gandlf_synth.evaluation.causes.twins import distances, layout_points, project, twin_distance, twin_groups
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects

_FEWEST = 16
_MOST = 400
_REPEATS = 10
_LOOK, _BAD = 0.75, 0.5
"""Variety over that of as many real images."""
_SURE, _PERMUTATIONS = 0.01, 199
_LEAST = 1e-6
"""Median distance of real images that are all the same, such as those that a window makes white."""


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
    points = layout_points(planes[0]), layout_points(planes[1])
    rng = np.random.default_rng(0)
    drawn = [
        (points[0][_one_per_subject(sets.real.subjects, known, count, rng)], rng.permutation(points[1])[:count])
        for _ in range(_REPEATS)
    ]
    found = np.mean([_compare(*parts) for parts in drawn], axis=0)
    variety, kinds = found[0], found[1] / max(found[2], 1)
    strength = float(min(variety, kinds))
    if (variety >= _LOOK and kinds >= _BAD) or _by_chance(strength, *drawn[0], rng) > _SURE:
        return []
    what = "mode collapse" if kinds < _LOOK or strength < _BAD else "less variety than in real images"
    sentence = (
        f"{what}: {count} images fall into {found[1]:.0f} groups of near twins, as many real ones into "
        f"{found[2]:.0f}; variety (Vendi score) is {variety:.0%} of that of real images"
    )
    outcome = "bad" if strength < _BAD else "look"
    return [
        Cause(
            name="mode_collapse", question="diverse", outcome=outcome, sentence=sentence, strength=strength,
            limit=_LOOK, explains=("recall", "coverage", "class_coverage", "ms_ssim", "kid", "fid"),
        )
    ]  # fmt: skip


def _compare(real: Floats, synthetic: Floats) -> tuple[float, int, int]:
    """Return the variety over that of real images, and the groups of synthetic and of real ones."""
    real, synthetic = project(real, synthetic)
    scale = max(float(np.median(distances(real, real))), _LEAST)
    scores = [vendi_score(np.exp(-((distances(part, part) / scale) ** 2))) for part in (real, synthetic)]
    limit = twin_distance(real)
    groups, usual = (len(np.unique(twin_groups(part, limit))) for part in (synthetic, real))
    return scores[1] / scores[0], groups, usual


def _by_chance(strength: float, real: Floats, synthetic: Floats, rng: np.random.Generator) -> float:
    """Return the p-value of the hypothesis that both sets vary alike, by exchanging images."""
    both = np.concatenate([real, synthetic])
    as_little = 0
    for _ in range(_PERMUTATIONS):
        mixed = rng.permutation(both)
        variety, kinds, usual = _compare(mixed[: len(real)], mixed[len(real) :])
        as_little += min(variety, kinds / max(usual, 1)) <= strength
    return (as_little + 1) / (_PERMUTATIONS + 1)


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
