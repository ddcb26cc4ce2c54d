"""Intensity histograms: a shift is wrong brightness, a missing spike a background that is not black."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.discrepancy import distance_of_means
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Measure, MeasureSettings, SetMetric, itself, too_few

HISTOGRAM_BINS = 64


def histograms(images: Floats, bins: int = HISTOGRAM_BINS) -> NDArray[np.float64]:
    """Return the share of pixels per bin of [0, 1] of each image and channel, ``(n, channels, bins)``.

    Args:
        images: ``(n, channels, rows, columns)`` in [0, 1].
        bins: of equal width.

    >>> histograms(np.array([[[[0.1, 0.2], [0.3, 0.9]]]]), bins=2)
    array([[[0.75, 0.25]]])
    """
    n, channels = images.shape[:2]
    places = np.minimum((np.asarray(images, dtype=np.float32) * bins).astype(np.int64), bins - 1)
    flat = places.reshape(n * channels, -1) + bins * np.arange(n * channels)[:, None]
    counts = np.bincount(flat.ravel(), minlength=n * channels * bins).reshape(n, channels, bins)
    shares: NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def quantiles(shares: Floats, count: int = HISTOGRAM_BINS) -> NDArray[np.float64]:
    """Return ``count`` evenly spaced quantiles of each image and channel, ``(n, channels, count)``, in [0, 1].

    The root mean square difference of two histograms' quantiles is their Wasserstein-2 distance; the quantiles of a
    set's images have a mean, which is the histogram in the middle of theirs (Agueh & Carlier 2011).

    Args:
        shares: ``(n, channels, bins)``; within a bin, values are taken to be spread evenly.
        count: of quantiles.

    >>> dark, bright = (quantiles(histograms(np.full((1, 1, 8, 8), value))) for value in (0.25, 0.75))
    >>> float((bright - dark).max()), float((bright - dark).min())
    (0.5, 0.5)
    """
    bins = shares.shape[-1]
    edges = np.linspace(0, 1, bins + 1)
    places = (np.arange(count) + 0.5) / count
    cumulative = np.concatenate([np.zeros((*shares.shape[:-1], 1)), np.cumsum(shares, axis=-1)], axis=-1)
    rows = [_inverse(row / row[-1], edges, places) for row in cumulative.reshape(-1, bins + 1)]
    return np.stack(rows).reshape(*shares.shape[:-1], count)


def _inverse(cumulative: NDArray[np.float64], edges: Floats, places: Floats) -> NDArray[np.float64]:
    upper = np.clip(np.searchsorted(cumulative, places), 1, len(edges) - 1)
    step = cumulative[upper] - cumulative[upper - 1]
    inside = (places - cumulative[upper - 1]) / np.where(step > 0, step, 1)
    levels: NDArray[np.float64] = edges[upper - 1] + inside * (edges[upper] - edges[upper - 1])
    return levels


def mean_intensity(shares: Floats) -> float:
    """Return the mean intensity of the images whose histograms are ``shares (n, channels, bins)``, in [0, 1]."""
    bins = shares.shape[-1]
    return float((shares.mean(axis=(0, 1)) * (np.arange(bins) + 0.5) / bins).sum())


class HistogramDistance(SetMetric):
    """Difference of the intensity histograms of all pixels."""

    position: ClassVar[int] = 40
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "histogram", "Brightness and contrast (histogram)", "faithful", "lower", "of the range",
            Criterion(
                "histogram", "Difference of the intensity histograms as a share of the range.",
                0.02, 0.08, itself, "intensities are as in real images", "intensities differ", FEWEST,
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return how far apart the mean quantiles lie, and the shift of the mean intensity."""
        real, synthetic = sets.real, sets.synthetic
        reason = too_few(sets)
        if reason:
            return Measurement([self.metric("histogram", sets, refused=reason)])
        shift = mean_intensity(synthetic.histograms) - mean_intensity(real.histograms)
        levels = [quantiles(part.histograms).reshape(len(part), -1) for part in (real, synthetic)]
        value, floor = distance_of_means(levels[0], levels[1], real.subjects, synthetic.subjects, settings.seed)
        note = f"mean intensity {shift:+.1%} of the range against real"
        details = {"mean_intensity_shift": shift}
        return Measurement([self.metric("histogram", sets, value, floor, note=note, details=details)])

    def detail(self, metric: Metric) -> str:
        """Return how far the mean intensity is off."""
        return f": {metric.note}"
