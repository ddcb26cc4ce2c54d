"""Which change of real images makes them look like the synthetic ones: the cause of a difference of the whole set.

Real images are changed in every way that is known, by as much as it takes. The change after which they lie nearest to
the synthetic images is the cause, if it accounts for most of the difference. So nothing is tuned to an organ or a
modality: the real images of the very evaluation say what blur or inversion does to them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gandlf_synth import registry
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
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.evaluation.causes.twins import find_variants
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Indices, Subjects

FEWEST = 12
"""Images of a set below which no cause is looked for."""
_MOST = 64
_SURE = 0.01
_EXPLAINED = 0.6
"""Share of the difference that a change must account for."""
_HINT = 0.3
"""The share from which a change may be the first of two."""
_REST, _TOGETHER = 0.08, 0.94
"""The share that one change must leave for a second to be looked for, and that both must account for."""
THRESHOLDS = {"difference_good": 0.05, "difference_bad": 0.5}
"""Energy distance of real and synthetic images in deviations of the real ones: what is looked into, and what is bad."""
_AS_GOOD, _UNSURE = 0.02, 0.6
"""Share of the difference within which two changes cannot be told apart; and the same as a share of what the better one
leaves open: where it leaves much, what was done is not among the changes that are tried, but like several of them."""
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
    alike = f" (or {', or '.join(found.like)}; in these images both look alike)" if found.like else ""
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
    subjects = [part.subjects[rows] for part, rows in zip((sets.real, sets.synthetic), chosen, strict=True)]
    subjects[1] = find_variants(real, synthetic, subjects[1])
    described = describe(real)
    scale = _Scale.of(described, synthetic)
    start = scale.yardstick.measure(described)
    before = _total(start, scale.target)
    if before <= visible or _alike(start, scale.target, subjects, seed):
        return None
    compared = ComparedPlanes(real, synthetic, seed, ends)
    tried = _try_changes(compared, scale, before)
    found = _choose(tried, before)
    first = found or _choose(tried, before, _HINT)
    both = first and _with_second(first, compared, scale)
    return both or found


@dataclass(frozen=True)
class _Scale:
    """How far changed images are from the synthetic ones.

    Args:
        yardstick: of the real images.
        target: the synthetic images in it.
        rounding: what rounds values as those of the synthetic images are.
    """

    yardstick: Yardstick
    target: Groups
    rounding: Callable[[Planes], Planes]

    @classmethod
    def of(cls, described: Groups, synthetic: Planes) -> "_Scale":
        yardstick = Yardstick.of(described)
        return cls(yardstick, yardstick.measure(describe(synthetic)), _rounding(synthetic))

    def rest(self, planes: Planes) -> float:
        """Return the distance that is left between ``planes`` and the synthetic images."""
        return _total(self.yardstick.measure(describe(self.rounding(planes))), self.target)


def _try_changes(compared: ComparedPlanes, scale: _Scale, before: float) -> list[tuple[Degradation, float]]:
    """Return the likeliest changes, and the share of the distance that each accounts for."""
    changes = list(possible_changes(compared))
    few = compared.real[:_FIRST_LOOK]
    first = [scale.rest(change.apply(few)) + change.handicap * before for change in changes]
    shortlist = [changes[place] for place in np.argsort(first)[:_SHORTLIST].tolist()]
    return [(change, 1 - scale.rest(change.apply(compared.real)) / before) for change in shortlist]


def _with_second(first: Reproduced, compared: ComparedPlanes, scale: _Scale) -> Reproduced | None:
    """Return two changes, one after the other, where only both together account for the difference."""
    rest = first.difference * (1 - first.explained)
    if rest <= max(_REST * first.difference, THRESHOLDS["difference_good"]):
        return None
    change = first.degradation
    second = _choose(_try_changes(replace(compared, real=change.apply(compared.real)), scale, rest), rest)
    if second is None or second.degradation.name == change.name:
        return None
    explained = 1 - rest * (1 - second.explained) / first.difference
    if explained < _TOGETHER:
        return None
    then = second.degradation
    sentence = f"{change.sentence}; besides, {then.sentence}"
    both = Degradation(change.name, sentence, lambda planes: then.apply(change.apply(planes)))
    return Reproduced(both, explained, first.difference, ())


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


def _choose(tried: Sequence[tuple[Degradation, float]], before: float, least: float = _EXPLAINED) -> Reproduced | None:
    """Return the change that accounts for most; a simpler one where a more general one is hardly better.

    >>> simple, general = (Degradation(name, name, np.copy, handicap) for name, handicap in (("a", 0.0), ("b", 0.2)))
    >>> _choose([(simple, 0.8), (general, 0.9)], 1.0).degradation.name
    'a'
    >>> blur = Degradation("blur", "blurred", np.copy, 0.0)
    >>> _choose([(simple, 0.74), (blur, 0.62)], 1.0).like, _choose([(simple, 0.95), (blur, 0.83)], 1.0).like
    (('blurred',), ())
    """
    best, share = max(tried, key=lambda each: each[1] - each[0].handicap)
    if share < least:
        return None
    nearly = max(least, share - max(_AS_GOOD, _UNSURE * (1 - share)))
    others = {
        each.name: each.sentence for each, part in sorted(tried, key=lambda each: each[1])
        if each.name != best.name and part > nearly
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


def possible_changes(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give what may have been done to the synthetic images, by every registered function of the group ``causes``."""
    for name in registry.names("causes"):
        yield from registry.load("causes", name)(compared)
