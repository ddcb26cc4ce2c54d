"""Radial power spectra: blur lacks power at high frequencies, noise and checkerboards have too much there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_FLOOR = 1e-10
"""Power below this (of images in [0, 1]) counts as none."""


def radial_spectrum(planes: Floats, bins: int = 32) -> NDArray[np.float64]:
    """Return the power in dB at ``bins`` spatial frequencies from 0 to Nyquist of each plane, ``(n, bins)``.

    Args:
        planes: ``(n, channels, rows, columns)``; channels are averaged.
        bins: rings of equal width; those without a frequency of the grid repeat the ring before.
    """
    rows, columns = planes.shape[-2:]
    window = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[1:-1]
    centred = planes - planes.mean(axis=(-2, -1), keepdims=True)
    power = (np.abs(np.fft.rfft2(centred * window)) ** 2 / (window**2).sum()).mean(axis=1)
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns))
    ring = np.minimum((radius * 2 * bins).astype(int), bins)
    counts = np.bincount(ring.ravel(), minlength=bins + 1)[:bins]
    sums = np.stack([np.bincount(ring.ravel(), p.ravel(), minlength=bins + 1)[:bins] for p in power])
    means = sums / np.maximum(counts, 1)
    for k in np.flatnonzero(counts == 0).tolist():
        means[:, k] = means[:, max(k - 1, 0)]
    return 10 * np.log10(means + _FLOOR)


def spectrum_distance(a: Floats, b: Floats) -> float:
    """Return the mean absolute difference of the mean spectra of two sets ``(n, bins)``, in dB."""
    return float(np.abs(a.mean(axis=0) - b.mean(axis=0)).mean())


def fine_detail(real: Floats, synthetic: Floats) -> float:
    """Return by how many dB the synthetic spectra lie above the real ones in the upper half of the frequencies."""
    upper = real.shape[1] // 2
    return float((synthetic.mean(axis=0) - real.mean(axis=0))[upper:].mean())
