"""Whether a set holds the same image again and again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.metrics.detail import COARSE, FLIPS, chunks, detail_images, flipped, standardized
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, share
from gandlf_synth.metrics.results import Check, Measurement, Metric
from gandlf_synth.metrics.set_metric import (
    Criterion,
    Measure,
    MeasureSettings,
    SetMetric,
    surely_above_floor,
    unless_unsure,
)

_FEWEST = 20
_NEAREST = 64
_CHUNK = 512
_LIMITS = 200
_PAIRED = 2
"""Repeats come in pairs at least, so that so many images count as one observation."""


def share_detail(metric: Metric) -> str:
    """Return a share with its interval, as it follows a sentence."""
    value = metric.value
    return f": {value.value:.1%} of them ({value.low:.1%} to {value.high:.1%})" if value else ""


@dataclass(frozen=True)
class NearestOthers:
    """How alike each image and the nearest others of its set are.

    Args:
        correlations: of the nearest ones in falling order, ``(n, nearest)``.
        others: how many images each was compared with, ``(n,)``.
    """

    correlations: NDArray[np.float32]
    others: NDArray[np.float64]

    def repeated(self, limit: float, among: int) -> float:
        """Return the share of images of which another is found beyond ``limit`` among so many other images.

        It is the mean over all choices of the others, so that it does not depend on the size of the set.
        """
        counts = (self.correlations > limit).sum(axis=1).astype(float)
        none = np.ones(len(counts))
        for drawn in range(min(among, int(self.others.max(initial=0)))):
            left = self.others - drawn
            none *= np.clip((left - counts) / np.maximum(left, 1), 0, 1)
        return float((1 - none).mean())


class RepeatedImages(SetMetric):
    """Share of synthetic images that are as like another of 100 as next to no real images are."""

    largest: int = 2000
    """Images of a set that are searched."""
    among: int = 100
    """Each image is compared with so many others, however large the sets are; fewer where a set is smaller."""
    lowest_correlation: float = 0.9
    """A correlation of the detail below this is no repetition, however different the real images are."""

    position: ClassVar[int] = 70
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "duplicates", "Repeated images", "diverse", "lower", "share",
            Criterion(
                "duplicates",
                "Share of synthetic images that are like another one as only few real ones are, above the real share.",
                0.02, 0.10, surely_above_floor, "hardly any image is repeated", "images are repeated",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the share; its floor is that among real images, which the limit makes about ``false_alarm``."""
        fewest = min(sets.real.num_subjects, len(sets.synthetic))
        if fewest < _FEWEST:
            reason = f"{fewest} images are too few to tell repetition from chance: give {_FEWEST} or more of both"
            return Measurement([self.metric("duplicates", sets, refused=reason)])
        rng = np.random.default_rng(settings.seed)
        real = self._nearest(sets.real, rng, by_subject=True)
        synthetic = self._nearest(sets.synthetic, rng, by_subject=False)
        among = min(self.among, fewest - 1)
        limits = np.linspace(self.lowest_correlation, 0.999, _LIMITS)
        allowed = [limit for limit in limits if real.repeated(limit, among) <= settings.false_alarm]
        limit = float(allowed[0]) if allowed else float(limits[-1])
        value, floor = (_estimate(part, limit, among) for part in (synthetic, real))
        note = f"correlation of detail above {limit:.4f} with another of {among} images of the set, under flips"
        return Measurement([self.metric("duplicates", sets, value, floor, note=note)])

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the check; none of few images being repeated does not say that hardly any is."""
        (check,), metric = super().checks(measurement, thresholds), measurement.metrics[0]
        return [unless_unsure(check, metric, metric.floor.value if metric.floor else 0.0)]

    def detail(self, metric: Metric) -> str:
        """Return the share with its interval."""
        return share_detail(metric)

    def _nearest(self, images: ImageSetFeatures, rng: np.random.Generator, *, by_subject: bool) -> NearestOthers:
        """Return how alike each image and the nearest others are; one subject's images are not each other's."""
        chosen = np.sort(rng.permutation(len(images))[: self.largest])
        groups = images.subjects[chosen] if by_subject else chosen.astype(str)
        whole = images.whole
        detail = detail_images(whole[chosen], COARSE[whole.ndim - 2])
        rows = standardized(detail)
        correlations, others = [], []
        for part in chunks(len(rows), _CHUNK):
            best = torch.stack([standardized(flipped(detail[part], flip)) @ rows.T for flip in range(len(FLIPS))])
            scores = best.amax(0)
            same = torch.from_numpy(groups[part, None] == groups)
            scores[same] = -1
            correlations.append(scores.topk(min(_NEAREST, len(rows)), dim=1).values.numpy())
            others.append((~same).sum(1).double().numpy())
        return NearestOthers(np.concatenate(correlations), np.concatenate(others))


def _estimate(nearest: NearestOthers, limit: float, among: int) -> Estimate:
    value = nearest.repeated(limit, among)
    count = max(1, len(nearest.others) // _PAIRED)
    interval = share(round(value * count), count)
    return Estimate(value, min(value, interval.low), max(value, interval.high), "Wilson score, for pairs")
