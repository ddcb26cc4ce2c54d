"""Whether training images were copied, and whether one can tell who was in the training data."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.results import CopyPair, Interval, Metric
from gandlf_synth.metrics.intervals import Estimate, auc, bootstrap, share
from gandlf_synth.metrics.memorisation import FLIPS, Images, Matches, match, mirrored, ssim_of, threshold
from gandlf_synth.metrics.neighbours import nearest, nearest_of_others

_WORST = 8
_MEMBERS = 1000
"""Training images that are searched for among the synthetic ones, for the membership attack."""
_FEWEST = 20
"""Held-out images below which nothing can be calibrated."""
_FLIP_NAMES = ("as it is", "mirrored left-right", "mirrored up-down", "turned by 180°")


@dataclass(frozen=True)
class Privacy:
    """What the search for copies found.

    Args:
        metrics: copies, membership, feature distance.
        pairs: the synthetic images most like a training image.
        pictures: their planes, aligned, ``(pairs, 2, channels, rows, columns)``.
        correlation: per synthetic image, to the nearest training image; nan without training images.
        nearest: per synthetic image, the name of that training image.
        flagged: per synthetic image, whether it is taken for a copy.
        held_out: the same correlation of the held-out real images, for the figure.
        limit: the correlation from which an image is taken for a copy.
    """

    metrics: list[Metric]
    pairs: list[CopyPair] = field(default_factory=list)
    pictures: NDArray[np.float16] | None = None
    correlation: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    nearest: list[str] = field(default_factory=list)
    flagged: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    held_out: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    limit: float = float("nan")


def privacy(
    real: ImageSetFeatures, synthetic: ImageSetFeatures, train: ImageSetFeatures | None, false_alarm: float, seed: int
) -> Privacy:
    """Return what a search of every synthetic image among the training images finds.

    Held-out real images say what is unusual: those of ``real`` that are not in ``train``. Without ``train``, the real
    images are taken for the training images, and each of them is held out in turn against the others.
    """
    reference = train or real
    out = _held_out(real, train)
    if len(out) < _FEWEST:
        what = f"only {len(out)} real images are not among the training images"
        return Privacy([_refused(f"{what}; {_FEWEST} are needed to tell what is unusual: give other real images")])
    matches = match(synthetic.planes.pixels, reference.planes.pixels)
    held = _held_out_matches(real, out, train)
    limit = threshold(held.correlation, false_alarm)
    flagged = matches.correlation > limit
    metrics = [_copies(matches, held, limit, false_alarm, train is not None, len(reference.planes))]
    metrics.append(_feature_copies(real, synthetic, train, out, false_alarm))
    if train is not None:
        metrics.append(_membership(real, synthetic, train, out, seed))
    worst = np.argsort(-matches.correlation)[:_WORST]
    pairs, pictures = _worst(synthetic, reference, matches, worst, flagged)
    names = [_name(reference, int(k)) for k in matches.index]
    return Privacy(metrics, pairs, pictures, matches.correlation, names, flagged, held.correlation, limit)


def _held_out(real: ImageSetFeatures, train: ImageSetFeatures | None) -> NDArray[np.int64]:
    """Return the real images that are not training images, by content and subject-independent of names."""
    if train is None:
        return np.arange(len(real.planes))
    known = set(train.planes.content)
    return np.array([k for k, content in enumerate(real.planes.content) if content not in known], dtype=np.int64)


def _held_out_matches(real: ImageSetFeatures, out: NDArray[np.int64], train: ImageSetFeatures | None) -> Matches:
    if train is not None:
        return match(real.planes.pixels[out], train.planes.pixels)
    groups = list(real.planes.subjects)
    return match(real.planes.pixels, real.planes.pixels, query_groups=groups, reference_groups=groups)


def _refused(reason: str) -> Metric:
    return Metric(
        name="copies",
        title="Copies of training images",
        question="private",
        better="lower",
        unit="share",
        refused=reason,
    )


def _copies(matches: Matches, held: Matches, limit: float, false_alarm: float, given: bool, num_train: int) -> Metric:
    flagged = int((matches.correlation > limit).sum())
    beyond = int((matches.correlation > held.correlation.max()).sum())
    value, floor = share(flagged, len(matches.index)), share(int((held.correlation > limit).sum()), len(held.index))
    source = f"{num_train} training images" if given else "the real images (no training images were given)"
    note = (
        f"{flagged} of {len(matches.index)} correlate above {limit:.4f} with one of {source}, as {false_alarm:.0%} of "
        f"held-out real images do; {beyond} are closer than every held-out image (chance: "
        f"{len(matches.index) / (len(held.index) + 1):.1f})"
    )
    return Metric(
        name="copies", title="Copies of training images", question="private", better="lower", unit="share",
        value=Interval.of(value), floor=Interval.of(floor), interval_method=value.method, note=note,
        num_real=len(held.index), num_synthetic=len(matches.index),
    )  # fmt: skip


def _feature_copies(
    real: ImageSetFeatures,
    synthetic: ImageSetFeatures,
    train: ImageSetFeatures | None,
    out: NDArray[np.int64],
    false_alarm: float,
) -> Metric:
    """Return the share of synthetic images nearer to a training image in feature space than next to all held-out."""
    reference = (train or real).embedding
    _, distances = nearest(synthetic.embedding, reference)
    held = (
        nearest_of_others(real.embedding, real.planes.subjects)
        if train is None
        else nearest(real.embedding[out], reference)[1]
    )
    limit = float(np.quantile(held, false_alarm, method="lower"))
    value, floor = share(int((distances < limit).sum()), len(distances)), share(int((held < limit).sum()), len(held))
    middle = f"synthetic {np.median(distances):.3g}, held-out {np.median(held):.3g}"
    note = f"median distance to the nearest training image: {middle}"
    return Metric(
        name="close_in_features", title="Nearer than real in feature space", question="private", better="lower",
        unit="share", value=Interval.of(value), floor=Interval.of(floor), interval_method=value.method, note=note,
        num_real=len(held), num_synthetic=len(distances),
    )  # fmt: skip


def _membership(
    real: ImageSetFeatures, synthetic: ImageSetFeatures, train: ImageSetFeatures, out: NDArray[np.int64], seed: int
) -> Metric:
    """Return how well the likeness to the nearest synthetic image tells training from held-out images.

    ImageSet: Hayes et al. 2019; Chen et al. 2020 (full black-box attack).
    """
    rng = np.random.default_rng(seed)
    inside = np.sort(rng.permutation(len(train.planes))[:_MEMBERS])
    outside = np.sort(rng.permutation(out)[:_MEMBERS])
    members = match(train.planes.pixels[inside], synthetic.planes.pixels).correlation
    others = match(real.planes.pixels[outside], synthetic.planes.pixels).correlation
    groups = [list(train.planes.subjects[inside]), list(real.planes.subjects[outside])]
    value: Estimate = bootstrap(lambda i, j: auc(members[i], others[j]), groups, seed=seed)
    note = (
        "0.5: an attacker who sees the synthetic images learns nothing of who was in the training data; 1: everything"
    )
    common: dict[str, Any] = {"num_real": len(outside), "num_synthetic": len(synthetic.planes)}
    return Metric(
        name="membership", title="Membership attack (AUC)", question="private", better="lower",
        value=Interval.of(value), floor=Interval(value=0.5, low=0.5, high=0.5), interval_method=value.method, note=note,
        **common,
    )  # fmt: skip


def _worst(
    synthetic: ImageSetFeatures,
    reference: ImageSetFeatures,
    matches: Matches,
    worst: NDArray[np.int64],
    flagged: NDArray[np.bool_],
) -> tuple[list[CopyPair], NDArray[np.float16]]:
    chosen = Matches(matches.index[worst], matches.correlation[worst], matches.flip[worst])
    queries: Images = synthetic.planes.pixels[worst]
    likeness = ssim_of(queries, reference.planes.pixels, chosen)
    middle = queries.shape[2] // 2
    pairs, pictures = [], []
    for row, k in enumerate(worst):
        flip, index = int(chosen.flip[row]), int(chosen.index[row])
        pairs.append(
            CopyPair(
                synthetic=_name(synthetic, int(k)), training=_name(reference, index),
                correlation=float(chosen.correlation[row]), ssim=float(likeness[row]), flip=_FLIP_NAMES[flip],
                flagged=bool(flagged[k]),
            )
        )  # fmt: skip
        shown = mirrored(queries[row : row + 1], FLIPS[flip])[0]
        pictures.append(np.stack([shown[0, middle], reference.planes.pixels[index][0, middle]]))
    return pairs, np.stack(pictures)


def _name(described: ImageSetFeatures, index: int) -> str:
    return str(described.planes.samples[index].channels[0])
