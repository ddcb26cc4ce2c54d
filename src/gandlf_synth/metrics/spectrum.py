"""Radial power spectra: blur lacks power at high frequencies, noise and checkerboards have too much there."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.discrepancy import distance_of_means
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Measure, MeasureSettings, SetMetric, itself, too_few

SPECTRUM_BINS = 32
_SEEN = 1.0
"""Difference in dB up to which spectra are good, and fine detail is as in real images."""
_ALL_OVER = 0.5
"""Share of the change of fine detail from which one of coarse structure is no blur or noise but a change of both."""
_FLOOR = 1e-10
"""Power below this (of images in [0, 1]) counts as none."""


def radial_spectrum(planes: Floats, bins: int = SPECTRUM_BINS) -> NDArray[np.float64]:
    """Return the power in dB at ``bins`` spatial frequencies from 0 to Nyquist of each plane, ``(n, bins)``.

    Args:
        planes: ``(n, channels, rows, columns)``; channels are averaged.
        bins: rings of equal width; those without a frequency of the grid repeat the ring before.

    >>> waves = np.sin(np.arange(64) * np.pi / 2)[None, None, None] * np.ones((1, 1, 64, 64))
    >>> int(radial_spectrum(waves).argmax())  # half of Nyquist
    16
    """
    rows, columns = planes.shape[-2:]
    window = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[1:-1]
    centered = planes - planes.mean(axis=(-2, -1), keepdims=True)
    power = (np.abs(np.fft.rfft2(centered * window)) ** 2 / (window**2).sum()).mean(axis=1)
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns))
    ring = np.minimum((radius * 2 * bins).astype(int), bins)
    counts = np.bincount(ring.ravel(), minlength=bins + 1)[:bins]
    sums = np.stack([np.bincount(ring.ravel(), p.ravel(), minlength=bins + 1)[:bins] for p in power])
    means = sums / np.maximum(counts, 1)
    for k in np.flatnonzero(counts == 0).tolist():
        means[:, k] = means[:, max(k - 1, 0)]
    return 10 * np.log10(means + _FLOOR)


def fine_detail(real: Floats, synthetic: Floats) -> float:
    """Return by how many dB the synthetic spectra lie above the real ones in the upper half of the frequencies.

    >>> fine_detail(np.zeros((5, 4)), np.array([[0.0, 0.0, -2.0, -4.0]]))
    -3.0
    """
    upper = real.shape[1] // 2
    return float((synthetic.mean(axis=0) - real.mean(axis=0))[upper:].mean())


def coarse_structure(real: Floats, synthetic: Floats) -> float:
    """Return the same for the lower half of the frequencies.

    >>> coarse_structure(np.zeros((5, 4)), np.array([[-1.0, -3.0, 0.0, 0.0]]))
    -2.0
    """
    lower = real.shape[1] // 2
    return float((synthetic.mean(axis=0) - real.mean(axis=0))[:lower].mean())


class SpectrumDistance(SetMetric):
    """Difference of the power spectra, and whether fine detail is missing (blur) or too much (noise)."""

    position: ClassVar[int] = 30
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "spectrum", "Sharpness and noise (power spectrum)", "faithful", "lower", "dB",
            Criterion(
                "spectrum", "Difference of the power spectra in dB, root mean square over the frequencies.",
                _SEEN, 3.0, itself, "sharpness and noise are as in real images", "the spectrum differs", FEWEST,
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the distance of the mean spectra, and the excess of fine detail."""
        real, synthetic = sets.real, sets.synthetic
        reason = too_few(sets)
        if reason:
            return Measurement([self.metric("spectrum", sets, refused=reason)])
        excess = fine_detail(real.spectra, synthetic.spectra)
        value, floor = distance_of_means(
            real.spectra, synthetic.spectra, real.subjects, synthetic.subjects, settings.seed
        )
        note = f"fine detail (upper half of the frequencies): {excess:+.1f} dB against real"
        details = {"fine_detail_db": excess, "coarse_structure_db": coarse_structure(real.spectra, synthetic.spectra)}
        return Measurement([self.metric("spectrum", sets, value, floor, note=note, details=details)])

    def detail(self, metric: Metric) -> str:
        """Return which way the spectrum differs."""
        fine, coarse = metric.details["fine_detail_db"], metric.details["coarse_structure_db"]
        if abs(fine) < _SEEN:
            return f": coarse structure differs ({coarse:+.1f} dB) and fine detail does not ({fine:+.1f} dB)"
        if coarse / fine > _ALL_OVER:
            which = "stronger" if fine > 0 else "weaker"
            return f": coarse structure ({coarse:+.1f} dB) and fine detail ({fine:+.1f} dB) are both {which}: contrast"
        if fine < 0:
            return f": too little fine detail ({fine:+.1f} dB: blur)"
        return f": too much fine detail ({fine:+.1f} dB: noise or checkerboard)"
