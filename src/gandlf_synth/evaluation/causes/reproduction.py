"""Which change of real images makes them look like the synthetic ones: the cause of a difference of the whole set.

Real images are changed in every way that is known, by as much as it takes. The change after which they lie nearest to
the synthetic images is the cause, if it accounts for most of the difference. So nothing is tuned to an organ or a
modality: the real images of the very evaluation say what blur or inversion does to them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from gandlf_synth.evaluation.causes.appearance import (
    Groups,
    Planes,
    Yardstick,
    describe,
    differs,
    middle_planes,
    set_distance,
)
from gandlf_synth.evaluation.causes.cause import FIDELITY, VARIETY, Cause
from gandlf_synth.evaluation.causes.clipped_files import Ends
from gandlf_synth.evaluation.causes.degradation import Degradation
from gandlf_synth.evaluation.causes.detail import details
from gandlf_synth.evaluation.causes.orientation import orientations, zooms
from gandlf_synth.evaluation.causes.seam import seams
from gandlf_synth.evaluation.causes.tone import tones
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Indices, Subjects

FEWEST = 12
"""Images of a set below which no cause is looked for."""
_MOST = 64
_SURE = 0.01
_EXPLAINED = 0.6
"""Share of the difference that a change must account for."""
THRESHOLDS = {"difference_good": 0.05, "difference_bad": 0.5}
"""Energy distance of real and synthetic images in deviations of the real ones: what is looked into, and what is bad."""
_AS_GOOD = 0.02
"""Share of the difference within which two changes cannot be told apart."""
_FIRST_LOOK, _SHORTLIST = 16, 6
"""Images that every change is tried on, and changes that are tried on all."""
_VALUES, _STEPS, _ROUND = 20_000, 255.0, 0.15
"""Values that are looked at, steps of 8 bits, and how far from a step half precision may lie."""


@dataclass(frozen=True)
class Reproduced:
    """A change that makes real images look like synthetic ones.

    Args:
        degradation: the change.
        explained: the share of the difference that it accounts for.
        difference: how far real and synthetic images lie apart, in deviations of the real images.
        like: what other changes would be, that look alike in these images.
    """

    degradation: Degradation
    explained: float
    difference: float
    like: tuple[str, ...] = ()


def cause_of(found: Reproduced, thresholds: Mapping[str, float]) -> Cause:
    """Return the cause that a change is."""
    good, bad = (thresholds[name] for name in THRESHOLDS)
    return Cause(
        name=found.degradation.name, question="faithful", outcome="bad" if found.difference > bad else "look",
        sentence=_sentence(found), strength=found.difference, limit=good, bad_limit=bad,
        explains=(*FIDELITY, *VARIETY),
    )  # fmt: skip


def _sentence(found: Reproduced) -> str:
    alike = f" (or {', or '.join(found.like)}: in these images both look alike)" if found.like else ""
    return found.degradation.sentence + alike


def reproduce(
    sets: ImageSets, seed: int, ends: Ends = (True, True), visible: float = THRESHOLDS["difference_good"]
) -> Reproduced | None:
    """Return the change that makes real images most like the synthetic ones; None where none does, or nothing differs.

    Args:
        sets: the images.
        seed: of everything random.
        ends: at which ends of their range the files of the synthetic images are clipped.
        visible: the energy distance up to which nothing differs.
    """
    if min(len(sets.real), len(sets.synthetic)) < FEWEST:
        return None
    rng = np.random.default_rng(seed)
    chosen = [_like_labeled(sets, rng), np.sort(rng.permutation(len(sets.synthetic))[:_MOST])]
    if len(chosen[0]) < FEWEST:
        return None
    real, synthetic = (
        middle_planes(part, rows) for part, rows in zip((sets.real, sets.synthetic), chosen, strict=True)
    )
    described = describe(real)
    yardstick = Yardstick.of(described)
    target = yardstick.measure(describe(synthetic))
    subjects = [part.subjects[rows] for part, rows in zip((sets.real, sets.synthetic), chosen, strict=True)]
    start = yardstick.measure(described)
    before = _total(start, target)
    if before <= visible or _alike(start, target, subjects, seed):
        return None
    rounding = _rounding(synthetic)

    def explained(degradation: Degradation, count: int) -> float:
        changed = rounding(degradation.apply(real[:count]))
        return 1 - _total(yardstick.measure(describe(changed)), target) / before

    changes = list(_changes(real, synthetic, seed, ends))
    first = [explained(degradation, _FIRST_LOOK) for degradation in changes]
    tried = [
        (changes[place], explained(changes[place], len(real))) for place in np.argsort(first)[-_SHORTLIST:].tolist()
    ]
    return _choose(tried, before)


def _like_labeled(sets: ImageSets, rng: np.random.Generator) -> Indices:
    """Return real images in the classes' proportions of the synthetic ones, so that a missing class is no change."""
    order = rng.permutation(len(sets.real))
    if not sets.real.labels or not sets.synthetic.labels:
        return np.sort(order[:_MOST])
    labels = np.array(sets.real.labels)[order]
    shares = {name: sets.synthetic.labels.count(name) / len(sets.synthetic) for name in set(sets.synthetic.labels)}
    available = {name: int((labels == name).sum()) for name in shares}
    total = min([_MOST, *(available[name] / share for name, share in shares.items() if available[name])])
    picks = [order[labels == name][: round(total * share)] for name, share in sorted(shares.items())]
    return np.sort(np.concatenate(picks))


def _choose(tried: Sequence[tuple[Degradation, float]], before: float) -> Reproduced | None:
    """Return the change that accounts for most; a simpler one where a more general one is hardly better.

    >>> simple, general = (Degradation(name, name, np.copy, handicap) for name, handicap in (("a", 0.0), ("b", 0.2)))
    >>> _choose([(simple, 0.8), (general, 0.9)], 1.0).degradation.name
    'a'
    """
    best, share = max(tried, key=lambda each: each[1] - each[0].handicap)
    if share < _EXPLAINED:
        return None
    others = {
        each.name: each.sentence for each, part in sorted(tried, key=lambda each: each[1])
        if each.name != best.name and part > share - _AS_GOOD
        and each.handicap <= best.handicap and each.sentence not in best.sentence
    }  # fmt: skip
    return Reproduced(best, share, before, tuple(others.values()))


def _rounding(planes: Planes) -> Callable[[Planes], Planes]:
    """Return what rounds values as those of ``planes`` are: to 8 bits where they are, whose steps look like noise."""
    values = planes[:, 0].ravel()[:: max(1, planes[:, 0].size // _VALUES)] * _STEPS
    if np.quantile(np.abs(values - values.round()), 0.99) > _ROUND:
        return lambda changed: changed
    return lambda changed: (changed * _STEPS).round() / np.float32(_STEPS)


def _alike(real: Groups, synthetic: Groups, subjects: list[Subjects], seed: int) -> bool:
    return differs(real, synthetic, subjects[0], subjects[1], seed) > _SURE


def _total(a: Groups, b: Groups) -> float:
    return sum(set_distance(a, b).values())


def _changes(real: Planes, synthetic: Planes, seed: int, ends: Ends) -> Iterator[Degradation]:
    parts: tuple[Iterable[Degradation], ...] = (
        orientations(real), tones(real, synthetic, ends), seams(real, synthetic),
        details(real, synthetic, seed), zooms(),
    )  # fmt: skip
    return chain(*parts)
