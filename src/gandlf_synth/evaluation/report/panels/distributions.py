"""Distributions over the images: intensities, fine detail, first-order features."""

import numpy as np

from gandlf_synth.evaluation.report.figures import Axes, bands, boxes, data_range, figure, legend
from gandlf_synth.evaluation.report.panels.panel import Panel, StoredEvaluation
from gandlf_synth.metrics.first_order import NAMES

_FARTHEST = 8
"""Interquartile ranges that box plots show; one feature that lies far off would flatten all others."""


def spectrum_panel(stored: StoredEvaluation) -> Panel:
    """Return power against spatial frequency."""
    arrays = stored.arrays
    real, synthetic = arrays["spectrum_real"], arrays["spectrum_synthetic"]
    x = (np.arange(real.shape[1]) + 0.5) / real.shape[1]
    axes = Axes((0, 1), data_range(real, synthetic), "spatial frequency (1 is the finest detail)", "power (dB)")
    picture = figure(
        axes,
        bands(axes, x, {"real": real, "synthetic": synthetic}),
        f"power spectra; at the finest detail the median is {real[1, -1]:.0f} dB in real and "
        f"{synthetic[1, -1]:.0f} dB in synthetic images",
    )
    return Panel(
        "Fine detail",
        "Power spectra, from coarse (left) to fine detail (right): median, and the middle half of the images.",
        "The lines lie on each other.",
        "The synthetic line falls at the right: blur. It rises there: noise. Peaks: checkerboards.",
        "Blur: train longer, weigh the perceptual or adversarial loss more. Noise: more sampling steps.",
        legend() + picture,
    )


def intensity_panel(stored: StoredEvaluation) -> Panel:
    """Return the cumulative distribution of the intensities of each channel."""
    arrays = stored.arrays
    real, synthetic = arrays["cumulative_real"], arrays["cumulative_synthetic"]
    content = legend()
    for channel in range(len(real)):
        bins = real.shape[-1]
        x = np.arange(bins + 1) / bins
        sets = {
            name: np.concatenate([np.zeros((3, 1)), part[channel]], axis=1)
            for name, part in (("real", real), ("synthetic", synthetic))
        }
        name = f" of channel {channel}" if len(real) > 1 else ""
        axes = Axes((0, 1), (0, 1), f"intensity{name} (share of the range)", "share of pixels up to it")
        content += figure(axes, bands(axes, x, sets), f"cumulative distribution of the intensities{name}")
    return Panel(
        "Intensities",
        "Which share of an image's pixels is at most so bright: median, and the middle half of the images.",
        "The lines lie on each other.",
        "A line further right: brighter. One that starts lower: the background is not black.",
        "Look at the normalization in resolved_config.yaml, and at clipping in the sampler.",
        content,
    )


def first_order_panel(stored: StoredEvaluation) -> Panel:
    """Return box plots of the first-order and texture features, all on one scale."""
    arrays = stored.arrays
    real, synthetic = arrays["first_order_real"], arrays["first_order_synthetic"]
    spread = real[3] - real[1]
    scale = np.where(spread > 1e-12, spread, 1.0)
    sets = {name: (part - real[2]) / scale for name, part in (("real", real), ("synthetic", synthetic))}
    farthest = int(np.abs(sets["synthetic"][2]).argmax())
    text = f"box plots of {len(NAMES)} features; the medians are farthest apart in {NAMES[farthest]}"
    title = "interquartile ranges from the median of real images"
    beyond = any((np.abs(part) > _FARTHEST).any() for part in sets.values())
    shown = {name: part.clip(-_FARTHEST, _FARTHEST) for name, part in sets.items()}
    content = legend() + boxes(shown, NAMES, title, text)
    return Panel(
        "First-order and texture features",
        "Box: the middle half of the images with its median; lines: 5 to 95 %."
        + (f" What lies beyond {_FARTHEST} is drawn there." if beyond else ""),
        "Boxes of one feature lie under each other and are equally wide.",
        "A box beside the other: a property that is off. A narrower box: missing variety.",
        "The feature names the cause: 90th percentile the bright parts, texture contrast noise.",
        content,
    )
