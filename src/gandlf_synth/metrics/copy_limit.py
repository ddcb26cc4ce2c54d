"""From where on an image is too like a training image: what held-out real images say, and how sure one can be.

The held-out images are searched for among the training images as the synthetic ones are. Those that are training
images themselves, or nearly so, are left out of the limit, or they would excuse copies; they are counted in the
comparison of the two sets, or a collection that holds every image twice would be called a leak of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.intervals import Groups, members
from gandlf_synth.metrics.memorization import IDENTICAL, Matches, Numbers

FEWEST = 20
"""Held-out images below which nobody can tell what is unusual."""
_ABOVE = 2
"""Held-out images that should lie above the limit."""
_SURELY_ALIKE, _SURELY_ALONE = 0.95, 0.7
"""Likeness and margin from which two images are taken for one, however alike the real images are."""
_FAR_CHANCE = 0.01
_CERTAINTY = 0.99


@dataclass(frozen=True)
class CopyLimit:
    """How alike is too alike.

    Args:
        center: of each look, the median of held-out images.
        spread: of each look, from the median to the 90 % quantile.
        score: from which on an image is flagged.
        far: the score that one of all held-out images exceeds with a chance of 1 %, if it is no copy.
        false_alarm: the share of held-out images that is allowed above ``score``.
        num_held_out: images that decided.
        near_duplicates: held-out images that were left out, because they are nearly training images.
    """

    center: Numbers
    spread: Numbers
    score: float
    far: float
    false_alarm: float
    num_held_out: int
    near_duplicates: int

    def scores(self, matches: Matches) -> Numbers:
        """Return how unusual each image is by its most unusual look: 0 is the median of a look, 1 its 90 % quantile."""
        return _scores(matches.looks, self.center, self.spread)

    def flagged(self, matches: Matches) -> NDArray[np.bool_]:
        """Return which images are too like a training image."""
        return np.asarray((self.scores(matches) > self.score) | nearly_identical(matches))

    def beyond(self, matches: Matches) -> NDArray[np.bool_]:
        """Return which images are so near that not even the nearest of many held-out images is expected there."""
        return np.asarray((self.scores(matches) > self.far) | nearly_identical(matches))


def fit_copy_limit(held_out: Matches, false_alarm: float) -> CopyLimit | None:
    """Return the limit that a share ``false_alarm`` of held-out images exceeds; more where they are few.

    Two of them should lie above it, so that 1 % wants 200. None where fewer than 20 are left.
    """
    looks, usual = held_out.looks, ~nearly_identical(held_out)
    for _ in range(3):
        if usual.sum() < FEWEST:
            return None
        center, high = np.quantile(looks[usual], [0.5, 0.9], axis=0)
        spread = np.maximum(high - center, 0.05)
        scores = _scores(looks, center, spread)
        far = _far(scores[usual])
        usual = ~nearly_identical(held_out) & (scores <= far)
    count = int(usual.sum())
    if count < FEWEST:
        return None
    share = max(false_alarm, _ABOVE / count)
    limit = float(np.quantile(scores[usual], 1 - share, method="lower"))
    return CopyLimit(center, spread, limit, far, share, count, len(held_out) - count)


def surely_identical(matches: Matches) -> NDArray[np.bool_]:
    """Return which images are a training image to the pixel, but for brightness, contrast and mirroring."""
    return np.asarray((matches.correlation >= IDENTICAL) & (matches.second == matches.index))


def nearly_identical(matches: Matches) -> NDArray[np.bool_]:
    """Return which images are a training image, or so like one that no two images of other people are."""
    alike = (matches.likeness >= _SURELY_ALIKE) & (matches.margin >= _SURELY_ALONE)
    return np.asarray(alike | (matches.correlation >= IDENTICAL))


def share_by_chance(flagged: NDArray[np.bool_], held_out: NDArray[np.bool_], groups: Sequence[Groups]) -> float:
    """Return the share of flagged images up to which chance explains it with a probability of 99 %.

    A limit that ``r`` of ``n`` held-out images exceed is exceeded by a beta-binomial number of as many other ones,
    which holds the uncertainty of both counts. Images of one subject count as fewer.

    Args:
        flagged: which synthetic images are flagged.
        held_out: which held-out images are.
        groups: the subjects of both.

    Source: Wilks 1941 (distribution-free tolerance limits); Kish 1965 (design effect).

    >>> few, many = np.arange(200) < 3, np.arange(200) < 30
    >>> names = np.arange(200).astype(str)
    >>> bool(few.mean() < share_by_chance(few, few, [names, names]) < many.mean() - 0.05)
    True
    """
    from scipy.stats import betabinom

    sizes = [len(part) / _design_effect(part, names) for part, names in zip((flagged, held_out), groups, strict=True)]
    count, others = max(1, round(sizes[0])), max(1.0, sizes[1])
    above = float(held_out.mean()) * others
    return float(betabinom.ppf(_CERTAINTY, count, above + 1, max(others - above, 1e-3))) / count


def unexplained_share(flagged: NDArray[np.bool_], held_out: NDArray[np.bool_], groups: Sequence[Groups]) -> float:
    """Return the share of flagged images above what ``share_by_chance`` explains."""
    return max(0.0, float(flagged.mean()) - share_by_chance(flagged, held_out, groups))


def _design_effect(flags: NDArray[np.bool_], groups: Groups) -> float:
    """Return by how much the variance of a share grows because flags come in groups; at least 1."""
    share = flags.mean()
    if share in (0.0, 1.0):
        return 1.0
    excess = np.array([(flags[part] - share).sum() for part in members(groups)])
    return max(1.0, float((excess**2).sum() / (len(flags) * share * (1 - share))))


def _scores(looks: Numbers, center: Numbers, spread: Numbers) -> Numbers:
    return np.asarray(((looks - center) / spread).max(axis=1))


def _far(scores: Numbers) -> float:
    """Return the score that any of so many exceeds with a chance of 1 %, the tail being exponential."""
    half, tenth = np.quantile(scores, [0.5, 0.9])
    return float(tenth + (tenth - half) / np.log(5) * np.log(0.1 * len(scores) / _FAR_CHANCE))
