"""Single synthetic images that are unlike every real one: which they are, and what they look like."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.errors import listing
from gandlf_synth.evaluation.causes.appearance import Groups, Planes, Yardstick, describe, middle_planes
from gandlf_synth.evaluation.causes.cause import FIDELITY, VARIETY, Cause
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, Subjects, share

_FEWEST = 12
_FEWEST_SUBJECTS = 5
"""How far real images lie from one another is known from those of other subjects."""
_FEWEST_ODD, _LEAST_ODD = 2, 0.005
"""One odd image is found in any set, and a few in a large one: images, and their share, unless noise or empty ones are
among them."""
_MOST_REAL = 2000
"""Real images that synthetic ones are compared with: the cost grows with their number."""
_NEIGHBOR = 3
"""The real image, counted from the nearest, that an image is compared with; one odd real image excuses nothing."""
_LONELY = 0.97
"""The share of the real images that count as usual."""
_BEYOND = 1.6
"""How many times farther than the loneliest usual real image an image must lie."""
_BEYOND_CHANGED = 2.5
"""The same where all images were changed: what that change leaves unexplained moves all of them outwards.

Of 70 blurred brain slices up to three lay beyond 1.6, at most at 1.7; of 70 clipped ones two, at 2.0 and 2.4. Planted
images of pure noise lie at 4.4.
"""
_CLIP = 4.0
"""Deviations from which a number is far, however far."""
_MOST, _MOST_CHANGED = 0.6, 0.4
"""Share of the set above which it is not some images that are odd but the set, which the measures of sets tell; and the
same where all images were changed in a way that is known."""
THRESHOLDS = {"other_content_good": 0.9}
"""The share of the set above which it is not some images that show something else, or nothing, but all."""
_BAD = 0.1
_SHOWN = 8
_WHITE = 0.4
"""Flatness of the spectrum from which an image is noise: 0.56 for white noise, below 0.2 for pictures of things."""
_EMPTY = 0.003
"""Deviation, as a share of the range, below which an image is empty."""
_FAINT = 0.25
"""Deviation, as a share of that of the usual real image, below which what looks like noise is the grain of a plain one:
0.03 in a white tile of stained tissue; noise in place of an image has 0.8 and more."""
_RARER = 4.0
"""How many times rarer noisy or empty images must be among the real ones."""


def find_outliers(
    sets: ImageSets,
    change: Callable[[Planes], Planes] | None = None,
    share_of_all: float = THRESHOLDS["other_content_good"],
) -> list[Cause]:
    """Return the images that are unlike every real one, as one cause.

    Args:
        sets: the images.
        change: what has to be done to all real images to make them look like the synthetic ones.
        share_of_all: of the set, above which all of it shows something else.
    """
    if min(len(sets.real), len(sets.synthetic)) < _FEWEST or len(np.unique(sets.real.subjects)) < _FEWEST_SUBJECTS:
        return []
    known = np.sort(np.random.default_rng(0).permutation(len(sets.real))[:_MOST_REAL])
    real, synthetic = middle_planes(sets.real, known), middle_planes(sets.synthetic, np.arange(len(sets.synthetic)))
    real = real if change is None else change(real)
    far = _loneliness(real, synthetic, sets.real.subjects[known])
    faint = _FAINT * float(np.median(_deviations(real)))
    noise = _unusual(lambda planes: is_noise(planes, faint), real, synthetic)
    kinds = {"pure noise": noise & (far > 1), "empty": _unusual(is_empty, real, synthetic) & (far > 1)}
    kind = np.any(list(kinds.values()), axis=0)
    all_changed = change is not None or _lies_outside(far[~kind])
    limit, most = (_BEYOND_CHANGED, _MOST_CHANGED) if all_changed else (_BEYOND, _MOST)
    odd = np.flatnonzero((far > limit) | kind)
    if (far > _BEYOND).mean() > share_of_all or any(which.mean() > share_of_all for which in kinds.values()):
        return [_unlike_all(far, kinds, share_of_all)]
    fewest = _FEWEST_ODD if kind.any() else max(_FEWEST_ODD, _LEAST_ODD * len(far))
    if not fewest <= len(odd) <= most * len(far):
        return []
    odd = odd[np.argsort(-far[odd])]
    files = tuple(sets.synthetic.files[place] for place in odd)
    part = share(len(odd), len(far))
    counts = [f"{int(which[odd].sum())} are {word}" for word, which in kinds.items() if which[odd].any()]
    looks = f" ({', '.join(counts)})" if counts else ""
    what = f"{len(odd)} of {len(far)} images ({part.value:.0%}) are unlike every real one{looks}"
    return [
        Cause(
            name="outlier_images", question="faithful", outcome="bad" if part.value > _BAD else "look",
            sentence=f"{what}: {listing(short_names(files, sets.synthetic.files), _SHOWN)}",
            strength=float(far.max()), limit=limit, images=files,
        )
    ]  # fmt: skip


def _unlike_all(far: Floats, kinds: Mapping[str, NDArray[np.bool_]], limit: float) -> Cause:
    what, count = max(((word, int(which.sum())) for word, which in kinds.items()), key=lambda each: each[1])
    sentence = f"{count} of {len(far)} images are {what}"
    if count <= limit * len(far):
        count = int((far > _BEYOND).sum())
        sentence = (
            f"{count} of {len(far)} images are unlike every real one: they show something else (another organ, view or "
            "modality), were changed in a way that is not known here, or the model has not learned yet"
        )
    return Cause(
        name="other_content", question="faithful", outcome="bad", sentence=sentence, strength=count / len(far),
        limit=limit, explains=(*FIDELITY, *VARIETY),
    )  # fmt: skip


def short_names(files: Sequence[str], all_files: Sequence[str]) -> list[str]:
    """Return file names without the folder that all of ``all_files`` lie in.

    >>> short_names(["/data/b/image.nii"], ["/data/a/image.nii", "/data/b/image.nii"])
    ['b/image.nii']
    """
    folder = os.path.commonpath([str(Path(file).parent) for file in all_files]) or "."
    return [Path(os.path.relpath(file, folder)).as_posix() for file in files]


def _loneliness(real: Planes, synthetic: Planes, subjects: Subjects) -> Floats:
    """Return how far each synthetic image lies from real ones, over how far the loneliest usual real image does."""
    described = describe(real)
    yardstick = Yardstick.of(described)
    rows, others = (_row(yardstick.measure(groups)) for groups in (described, describe(synthetic)))
    usual = _neighbor_distances(rows, rows, subjects)
    far: Floats = _neighbor_distances(others, rows, None) / max(float(np.quantile(usual, _LONELY)), 1e-6)
    return far


def _lies_outside(far: Floats) -> bool:
    """Return whether all were changed: whether images that are not odd lie where few real ones do, too."""
    rest = far[far <= _BEYOND]
    return not len(rest) or float(np.median(rest)) > 1


def _row(groups: Groups) -> Floats:
    """Return all groups side by side, each weighing the same."""
    limits = {name: _CLIP / np.sqrt(part.shape[1]) for name, part in groups.items()}
    return np.concatenate([part.clip(-limits[name], limits[name]) for name, part in groups.items()], axis=1)


def _neighbor_distances(rows: Floats, real: Floats, subjects: Subjects | None) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    distances = cdist(rows, real)
    if subjects is not None:
        distances[subjects[:, None] == subjects] = np.inf
    k = min(_NEIGHBOR, distances.shape[1]) - 1
    nearest = np.partition(distances, k, axis=1)[:, k]
    return np.where(np.isfinite(nearest), nearest, 0.0)


def _unusual(kind: Callable[[Planes], NDArray[np.bool_]], real: Planes, synthetic: Planes) -> NDArray[np.bool_]:
    """Return which synthetic images are of a kind; none where about as many real images are."""
    found = kind(synthetic)
    return np.asarray(found & (found.mean() > _RARER * kind(real).mean()))


def is_noise(planes: Planes, faint: float = _EMPTY) -> NDArray[np.bool_]:
    """Return which images are noise all over: whose spectrum is as flat as that of white noise.

    Args:
        planes: of the images.
        faint: the deviation below which what varies is the grain of a plain image.

    >>> noise = np.random.default_rng(0).random((1, 1, 1, 32, 32))
    >>> is_noise(noise), is_noise(0.9 + 0.02 * noise, 0.05)
    (array([ True]), array([False]))
    """
    grey = planes.mean(axis=2)
    power = np.abs(np.fft.rfft2(grey - grey.mean(axis=(-2, -1), keepdims=True))) ** 2
    power = power[..., 1:].reshape(len(power), -1) + 1e-12
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    return np.asarray((flatness > _WHITE) & (_deviations(planes) >= max(faint, _EMPTY)))


def is_empty(planes: Planes) -> NDArray[np.bool_]:
    """Return which images have hardly more than one value."""
    return np.asarray(_deviations(planes) < _EMPTY)


def _deviations(planes: Planes) -> Floats:
    return np.asarray(planes.reshape(len(planes), -1).std(axis=1))
