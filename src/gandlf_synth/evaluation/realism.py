"""How realistic each synthetic image is: whether it lies among the real ones in feature space."""

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.neighbors import distance_rows, radii
from gandlf_synth.metrics.results import Measurement

_NEIGHBORS = 3


def realism_scores(real: Floats, synthetic: Floats, k: int = _NEIGHBORS) -> NDArray[np.float64]:
    """Return the realism score of every row of ``synthetic (m, dimension)``, ``(m,)``; above 1 lies among ``real``.

    It is the largest ratio of a real image's distance to its ``k``-th neighbor and its distance to the synthetic
    image. The half of the real images with the fewest neighbors is left out. Source: Kynkäänniemi et al. 2019,
    equation 3.

    >>> real = np.random.default_rng(0).normal(size=(40, 4))
    >>> scores = realism_scores(real, np.stack([real[0] + 1e-3, real[0] + 9]))
    >>> bool(scores[0] > scores[1]), bool(scores[1] < 1)
    (True, True)
    """
    reach = radii(real, min(k, len(real) - 1))
    dense = reach <= np.median(reach)
    score = np.zeros(len(synthetic))
    for rows, distances in distance_rows(synthetic, np.asarray(real)[dense]):
        score[rows] = (reach[dense] / distances.clip(1e-12)).max(axis=1)
    return score


def measure_realism(sets: ImageSets) -> Measurement:
    """Return the score of every synthetic image as the column and the array ``realism``."""
    scores = realism_scores(sets.real.embedding, sets.synthetic.embedding)
    return Measurement([], columns={"realism": [f"{score:.4f}" for score in scores]}, arrays={"realism": scores})
