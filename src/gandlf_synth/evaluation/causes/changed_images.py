"""Some of the images, and not all, were changed: which they are, and how.

A change of a part of the set hardly moves what is measured of the whole. So every image is asked for itself whether it
lies nearer to changed real images than to real ones, in that which the change moves; real images say how near is
unusual. Mirrored images are asked of a classifier, too.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.errors import listing
from gandlf_synth.evaluation.causes.appearance import (
    Groups,
    Yardstick,
    describe,
    middle_planes,
    set_distance,
)
from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.evaluation.causes.detail import details
from gandlf_synth.evaluation.causes.orientation import orientations
from gandlf_synth.evaluation.causes.outlier_images import is_empty, is_noise, short_names
from gandlf_synth.evaluation.causes.sides import lying_otherwise
from gandlf_synth.evaluation.causes.tone import inversions
from gandlf_synth.evaluation.causes.twins import are_variants
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects, share

_FEWEST = 20
_MOST = 200
"""Real images that are changed."""
_FEWEST_CHANGED = 3
_LEAST_CHANGED, _MOST_CHANGED = 0.01, 0.6
"""Shares of the set: fewer are the tail of a large set; more, and the set was changed, which is told of all images."""
_BEYOND = 0.85
"""How much nearer to changed real images than any real image an image must lie."""
_MOVED = 0.3
"""Groups of numbers count that a change moves by at least this share of what it moves most."""
_SEEN = 0.5
"""Energy distance below which a change of these real images is hardly seen."""
_USUAL = 0.1
"""Where among real images the middle one of those that were not changed lies at least; below it all were changed."""
_NEIGHBOR = 3
_BAD = 0.1
_SHOWN = 8
_DETAIL = ("a Gaussian of 1.5 pixels", "noise of 8% of the range")
"""Of the many degrees of blur and noise, those that are looked for."""


def find_changed_images(sets: ImageSets) -> list[Cause]:
    """Return the images that were changed, as one cause: of the changes that many of them have, the nearest one."""
    if min(sets.real.num_subjects, len(sets.synthetic)) < _FEWEST:
        return []
    chosen = np.sort(np.random.default_rng(0).permutation(len(sets.real))[:_MOST])
    compared = ComparedPlanes(
        middle_planes(sets.real, chosen), middle_planes(sets.synthetic, np.arange(len(sets.synthetic)))
    )
    if are_variants(compared.real, compared.synthetic):
        return []
    search = _Search(compared, sets.real.subjects[chosen])
    changes = list(_changes(compared))
    found = [(change, search.places(change)) for change in changes]
    found += [(change, search.turned_places(change)) for change in changes if change.name == "mirrored"]
    most = max(len(places) for _, places in found)
    fewest = max(_FEWEST_CHANGED, _LEAST_CHANGED * len(sets.synthetic))
    if not fewest <= most <= _MOST_CHANGED * len(sets.synthetic):
        return []
    likely = [(change, places) for change, places in found if len(places) > most / 2]
    change, places = min(likely, key=lambda each: search.unlikeness(*each))
    part = share(len(places), len(sets.synthetic)).value
    files = tuple(sets.synthetic.files[place] for place in places)
    what = f"{len(places)} of {len(sets.synthetic)} images ({part:.0%}) are unlike the others ({change.sentence})"
    return [
        Cause(
            name="changed_images", question="faithful", outcome="bad" if part > _BAD else "look",
            sentence=f"{what}: {listing(short_names(files, sets.synthetic.files), _SHOWN)}", strength=part,
            limit=fewest / len(sets.synthetic), images=files,
        )
    ]  # fmt: skip


def _changes(compared: ComparedPlanes) -> Iterator[Degradation]:
    yield from orientations(compared)
    yield next(inversions(compared))
    yield from (change for change in details(compared) if change.sentence.endswith(_DETAIL))


class _Search:
    """Looks for images that lie nearer to changed real images than to real ones."""

    def __init__(self, compared: ComparedPlanes, subjects: Subjects) -> None:
        self._real, self._planes, self._subjects = compared.real, compared.synthetic, subjects
        described = describe(compared.real)
        self._yardstick = Yardstick.of(described)
        self._described = self._yardstick.measure(described)
        self._synthetic = self._yardstick.measure(describe(compared.synthetic))
        self._other = ~(is_noise(compared.synthetic) | is_empty(compared.synthetic))
        self._same = subjects[:, None] == subjects

    def places(self, change: Degradation) -> Indices:
        """Return which synthetic images look changed, those that do so most first."""
        changed = self._yardstick.measure(describe(change.apply(self._real)))
        moved = set_distance(self._described, changed)
        if max(moved.values()) < _SEEN:
            return np.empty(0, dtype=np.int64)
        counted = [name for name, value in moved.items() if value > _MOVED * max(moved.values())]
        usual = self._ratios(self._described, changed, counted, self._same)
        ratios = self._ratios(self._synthetic, changed, counted, None)
        looks_changed = (ratios < _BEYOND * min(float(usual.min()), 1.0)) & self._other
        rest = ratios[~looks_changed & self._other]
        if not len(rest) or np.median(rest) < np.quantile(usual, _USUAL):
            return np.empty(0, dtype=np.int64)
        beyond = np.flatnonzero(looks_changed)
        return beyond[np.argsort(ratios[beyond])]

    def turned_places(self, change: Degradation) -> Indices:
        """Return which synthetic images lie as ``change`` makes images lie, the surest first."""
        places = lying_otherwise(self._real, self._planes, self._subjects, change.apply)
        return places[self._other[places]]

    def unlikeness(self, change: Degradation, places: Indices) -> float:
        """Return how far the images at ``places`` lie from changed real ones, in all that is known of them."""
        changed = self._yardstick.measure(describe(change.apply(self._real)))
        rows = {name: part[places] for name, part in self._synthetic.items()}
        return float(np.median(_nearest(rows, changed, list(rows), None)))

    def _ratios(self, rows: Groups, changed: Groups, counted: list[str], same: NDArray[np.bool_] | None) -> Floats:
        nearest = [_nearest(rows, others, counted, same) for others in (changed, self._described)]
        return np.asarray(nearest[0] / np.maximum(nearest[1], 1e-6))


def _nearest(rows: Groups, others: Groups, counted: list[str], same: NDArray[np.bool_] | None) -> Floats:
    """Return how far each row lies from the third nearest of ``others``."""
    from scipy.spatial.distance import cdist

    distances = cdist(*(np.concatenate([part[name] for name in counted], axis=1) for part in (rows, others)))
    if same is not None:
        distances[same] = np.inf
    k = min(_NEIGHBOR, distances.shape[1]) - 1
    nearest: Floats = np.partition(distances, k, axis=1)[:, k]
    return nearest
