"""Grey values that differ from real ones: inverted, clipped, brighter, of other contrast, on another background."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.clipped_files import Ends
from gandlf_synth.evaluation.causes.degradation import (
    ComparedPlanes,
    Degradation,
    clipped,
    median_quantile,
    per_image,
)
from gandlf_synth.metrics.extractors.base import RGB
from gandlf_synth.metrics.intervals import Floats

_SAME = 1 / 512
"""Values nearer than this are one value: half a step of 8 bits."""
_FLAT = 0.03
"""Share of an image at its highest or lowest value, beyond that of real images, from which it is clipped."""
_CURVE = 65
_CONTRAST = 0.08
"""Logarithm of the ratio of contrasts below which they count as the same."""


def tones(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the changes of gray values that lead from real to synthetic images, each as large as it would have to be."""
    real, synthetic, ends = compared.real, compared.synthetic, compared.ends
    yield from inversions(compared)
    clippings = list(_clippings(real, synthetic, ends))
    yield from clippings
    yield from _backgrounds(real, synthetic)
    curve = _curve(real, synthetic)
    general = Degradation(
        "grey values",
        "grey values follow another curve than in real images: is a window, a gamma or a stain different?",
        lambda x: _mapped(x, *curve), handicap=0.25,
    )  # fmt: skip
    also = "".join(dict.fromkeys(f"; {clipping.sentence}" for clipping in clippings))
    for change in (*_brightness(real, synthetic), general):
        yield replace(change, sentence=change.sentence + also)


def inversions(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the ways in which dark and bright may be exchanged."""
    real, synthetic = compared.real, compared.synthetic
    sentence = "contrast is inverted: dark and bright are exchanged"
    ends = median_quantile(real, 0.005) + median_quantile(real, 0.995)
    means = (real.mean(axis=(0, 1, 3, 4)) + synthetic.mean(axis=(0, 1, 3, 4)))[:, None, None]
    for total in (ends, 1.0, means):
        yield Degradation("inverted", sentence, _subtract_from(total))


def share_at_end(planes: Planes, end: Callable[..., Floats]) -> Floats:
    """Return the share of pixels at each image's highest (``np.max``) or lowest (``np.min``) value, ``(n,)``."""
    shares: Floats = (np.abs(planes - per_image(planes, end)) < _SAME).mean(axis=(1, 2, 3, 4))
    return shares


def _subtract_from(total: float | Floats) -> Callable[[Planes], Planes]:
    return lambda planes: clipped(total - planes)


def _clippings(real: Planes, synthetic: Planes, ends: Ends) -> Iterator[Degradation]:
    kinds = ((np.min, "dark", "lowest"), (np.max, "bright", "highest"))
    for end, kind, which in (names for names, is_clipped in zip(kinds, ends, strict=True) if is_clipped):
        share, usual = (float(share_at_end(part, end).mean()) for part in (synthetic, real))
        if share < usual + _FLAT:
            continue
        sentence = (
            f"{kind} values are clipped (saturated): {share:.0%} of the pixels of an image have its {which} value, "
            f"{usual:.1%} in real images"
        )
        yield Degradation("clipping", sentence, _clip_share(share, bright=end is np.max))
        limits = per_image(synthetic, end)
        limit = float(limits.max() if end is np.max else limits.min())
        gain, offset = line_between(real, synthetic, limit)
        yield Degradation("clipping", sentence, _saturate(gain, offset, limit, bright=end is np.max))


def _clip_share(share: float, *, bright: bool) -> Callable[[Planes], Planes]:
    def clip(planes: Planes) -> Planes:
        at = per_image(planes, lambda flat, axis: np.quantile(flat, 1 - share if bright else share, axis=axis))
        return (np.minimum if bright else np.maximum)(planes, at)

    return clip


def _saturate(gain: float, offset: float, limit: float, *, bright: bool) -> Callable[[Planes], Planes]:
    return lambda planes: clipped((np.minimum if bright else np.maximum)(planes * gain + offset, limit))


def line_between(real: Planes, synthetic: Planes, limit: float) -> tuple[float, float]:
    """Return gain and offset that bring pooled values of ``real`` to those of ``synthetic``, away from ``limit``."""
    source, target = (np.quantile(part, np.linspace(0.02, 0.98, 25)) for part in (real, synthetic))
    free = np.abs(target - limit) > 4 * _SAME
    if free.sum() < 3 or np.ptp(source[free]) < 4 * _SAME:
        return 1.0, 0.0
    gain, offset = np.polyfit(source[free], target[free], 1)
    return float(gain), float(offset)


def _backgrounds(real: Planes, synthetic: Planes) -> Iterator[Degradation]:
    level, usual = median_quantile(synthetic, 0.05), median_quantile(real, 0.05)
    if abs(level - usual) < 8 * _SAME:
        return
    word = "brighter" if level > usual else "darker"
    sentence = f"the background is {word}: {level:.0%} of the range, {usual:.0%} in real images"
    if level > usual:
        yield Degradation("background", sentence, lambda x: np.maximum(x, level))
    near = max(level, usual) + 0.02
    yield Degradation("background", sentence, lambda x: clipped(np.where(x < near, x - usual + level, x)))
    yield Degradation("background", sentence, lambda x: clipped(np.where(x < usual + 0.02, level, x)))


def _brightness(real: Planes, synthetic: Planes) -> Iterator[Degradation]:
    means = [part.mean(axis=(0, 1, 3, 4)) for part in (real, synthetic)]
    deviations = [part.std(axis=(1, 3, 4)).mean(axis=0) for part in (real, synthetic)]
    shift, gain = means[1] - means[0], deviations[1] / np.maximum(deviations[0], 1e-4)
    word = "brighter" if shift.mean() > 0 else "darker"
    brighter = f"images are {word} (brightness {float(shift.mean()):+.0%} of the range)"
    times = float(means[1].mean() / max(float(means[0].mean()), 1e-4))
    for factor in (1.0, 1.15, 1.3):  # more than the difference of the means, where values are clipped
        yield Degradation("brightness", brighter, _line(1.0, float(shift.mean()) * factor))
        yield Degradation(
            "brightness", f"{brighter[:-1]}, {times:.2g} times)", _line(1 + (times - 1) * factor, 0.0), 0.02
        )
    if abs(float(np.log(max(gain.mean(), 1e-4)))) > _CONTRAST:
        words = f"contrast is {'higher' if gain.mean() > 1 else 'lower'} ({float(gain.mean()):.2g} times)"
        yield Degradation(
            "contrast", words, _line(float(gain.mean()), float((means[1] - gain * means[0]).mean())), 0.05
        )
        yield Degradation("contrast", words, _line(*line_between(real, synthetic, 2.0)), 0.05)
    middle = [min(max(float(np.quantile(part, 0.6)), 0.01), 0.99) for part in (real, synthetic)]
    gamma = float(np.log(middle[1]) / np.log(middle[0]))
    yield Degradation("gamma", f"grey values are changed by a gamma of {gamma:.2g}", lambda x: clipped(x**gamma), 0.05)
    if real.shape[2] > 1:
        words = ", ".join(f"channel {k + 1} {float(value):+.0%}" for k, value in enumerate(shift))
        words = f"{'colors' if real.shape[2] == RGB else 'channels'} differ: {words} of the range"
        each, slopes = (means[1] - gain * means[0])[:, None, None], gain[:, None, None]
        yield Degradation("color", words, lambda x: clipped(x * slopes + each), 0.08)
        yield Degradation("color", words, lambda x: clipped(x + shift[:, None, None]), 0.06)


def _line(gain: float, offset: float) -> Callable[[Planes], Planes]:
    return lambda planes: clipped(planes * gain + offset)


def _curve(real: Planes, synthetic: Planes) -> tuple[Floats, Floats]:
    """Return the rising curve that brings the pooled values of ``real`` to those of ``synthetic``, per channel."""
    shares = np.linspace(0, 1, _CURVE)
    ends = [np.quantile(part.swapaxes(0, 2).reshape(part.shape[2], -1), shares, axis=1).T for part in (real, synthetic)]
    return ends[0], ends[1]


def _mapped(planes: Planes, source: Floats, target: Floats) -> Planes:
    mapped = planes.copy()
    for channel in range(planes.shape[2]):
        rising = source[channel] + np.arange(_CURVE) * 1e-7
        mapped[:, :, channel] = np.interp(planes[:, :, channel], rising, target[channel])
    return mapped
