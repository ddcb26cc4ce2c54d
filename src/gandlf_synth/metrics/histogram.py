"""Intensity histograms: a shift is wrong brightness, a missing spike a background that is not black."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats, distance_and_floor
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, above_floor

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


def histogram_distance(a: Floats, b: Floats) -> float:
    """Return the Wasserstein-1 distance of two sets' pooled histograms, mean over channels, in shares of the range.

    Args:
        a: the histograms of one set, ``(n, channels, bins)``.
        b: those of the other.

    >>> dark, bright = (histograms(np.full((3, 1, 8, 8), value)) for value in (0.25, 0.75))
    >>> histogram_distance(dark, bright)
    0.5
    """
    difference = np.cumsum(a.mean(axis=0) - b.mean(axis=0), axis=-1)
    return float(np.abs(difference).sum(axis=-1).mean() / a.shape[-1])


def mean_intensity(shares: Floats) -> float:
    """Return the mean intensity of the images whose histograms are ``shares (n, channels, bins)``, in [0, 1]."""
    bins = shares.shape[-1]
    return float((shares.mean(axis=(0, 1)) * (np.arange(bins) + 0.5) / bins).sum())


class HistogramDistance(SetMetric):
    """Difference of the intensity histograms of all pixels."""

    position: ClassVar[int] = 40
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "histogram", "Intensity histogram", "faithful", "lower", "of the range",
            Criterion(
                "histogram", "Difference of the intensity histograms as a share of the range, above the floor.",
                0.02, 0.08, above_floor, "intensities are as in real images", "intensities differ",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance of the pooled histograms, and the shift of the mean intensity."""
        real, synthetic = sets.real, sets.synthetic
        shift = mean_intensity(synthetic.histograms) - mean_intensity(real.histograms)
        value, floor = distance_and_floor(
            histogram_distance, real.histograms, synthetic.histograms, real.subjects, synthetic.subjects, settings.seed
        )
        note = f"mean intensity {shift:+.1%} of the range against real"
        details = {"mean_intensity_shift": shift}
        return Measurement([self.metric("histogram", sets, value, floor, note=note, details=details)])

    def detail(self, metric: Metric) -> str:
        """Return how far the mean intensity is off."""
        return f": {metric.note}"
