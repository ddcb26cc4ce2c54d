"""Seams: a step between two neighboring lines, at the same place in all images, as where patches do not meet."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped
from gandlf_synth.evaluation.causes.orientation import BODY_AXES
from gandlf_synth.evaluation.causes.tone import line_between
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.slicing import STACKS

_SURE = 6.0
"""Standard errors by which a step must stand out."""
_LEAST = 0.01
"""Of the range."""
_UNEQUAL = 0.4
"""Deviation of the heights in all images, as a share of their mean, from which each image has a height of its own."""
_FREE = 0.05
_HIGHEST = 0.95
_ENDS = (0.5, 99.5)
_BENT = 0.05
_SHARES = (0.0, 0.5, 1.0)
"""Of the step, by how much the middle slice along the seam may be raised; half where patches meet in it."""
_LINES = {-1: "columns", -2: "rows"}


def seams(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the strongest seam along each axis, where there is one; in volumes it is seen in two stacks of slices."""
    real, synthetic = compared.real, compared.synthetic
    in_volumes = real.shape[1] == len(STACKS)
    for axes in [axes for _, axes in BODY_AXES] if in_volumes else [{0: -1}, {0: -2}]:
        place, step, sure = _strongest(real, synthetic, axes)
        if abs(sure) < _SURE or abs(step) < _LEAST:
            continue
        heights = _heights(real, synthetic, axes, place)
        sentence = f"a seam runs through the images between {_lines(axes, place, in_volumes)} ({_told(heights)})"
        above, below = slice(place + 1, None), slice(place + 1)
        for side, height in ((above, heights.mean()), (below, -heights.mean())):
            whole = _stacks_within(real, synthetic, axes, height)
            yield Degradation("seam", sentence, _step(axes, side, height, whole))
        drawn = np.random.default_rng(compared.seed).permutation(heights)
        for share in _SHARES if in_volumes else _SHARES[:1]:
            yield Degradation(
                "seam", sentence, _then_like(compared, _step_in_own_window(axes, above, drawn, share)), _FREE
            )


def _then_like(compared: ComparedPlanes, change: Callable[[Planes], Planes]) -> Callable[[Planes], Planes]:
    """Return a change followed by the gain and offset that its own window has beyond what planes tell of it."""
    gain, offset = line_between(change(compared.real), compared.synthetic, np.inf)
    return lambda planes: clipped(change(planes) * gain + offset)


def _lines(axes: Mapping[int, int], place: int, in_volumes: bool) -> str:
    return " and ".join(
        f"{_LINES[axis]} {place} and {place + 1}" + (f" of {STACKS[stack]} slices" if in_volumes else "")
        for stack, axis in axes.items()
    )


def _told(heights: Floats) -> str:
    if heights.std() < _UNEQUAL * abs(heights.mean()):
        return f"{heights.mean():+.0%} of the range"
    ends = " to ".join(f"{float(np.quantile(heights, share)):+.0%}" for share in (0.1, 0.9))
    return f"{ends} of the range, another step in each image"


def _profiles(planes: Planes, axes: Mapping[int, int]) -> Floats:
    """Return the mean value of each line, ``(n, lines)``."""
    parts = [planes[:, stack].mean(axis=(1, -2 if axis == -1 else -1)) for stack, axis in axes.items()]
    return np.asarray(np.mean(parts, axis=0))


def _steps(planes: Planes, axes: Mapping[int, int]) -> Floats:
    """Return the mean step to the next line less that of the lines beside it, ``(n, lines - 3)``."""
    step = np.diff(_profiles(planes, axes), axis=1)
    return np.asarray(step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2)


def _strongest(real: Planes, synthetic: Planes, axes: Mapping[int, int]) -> tuple[int, float, float]:
    """Return the line before the step that stands out most, its height, and by how many standard errors."""
    a, b = _steps(real, axes), _steps(synthetic, axes)
    if a.shape[1] < 1:
        return 0, 0.0, 0.0
    step = b.mean(axis=0) - a.mean(axis=0)
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b)) + 1e-3
    place = int(np.argmax(np.abs(step / error)))
    return place + 1, float(step[place]), float(step[place] / error[place])


def _heights(real: Planes, synthetic: Planes, axes: Mapping[int, int], place: int) -> Floats:
    """Return the step of each synthetic image beyond that of real ones, over the three lines that resizing smears.

    What real images differ by there is taken away, so that it is not counted twice.
    """
    a, b = (_profiles(part, axes) for part in (real, synthetic))
    last = a.shape[1] - 1
    usual, found = (part[:, min(place + 2, last)] - part[:, max(place - 1, 0)] for part in (a, b))
    own = np.sqrt(max(0.0, 1 - float(usual.var()) / max(float(found.var()), 1e-12)))
    return np.asarray(found.mean() - usual.mean() + own * (found - found.mean()))


def _stacks_within(real: Planes, synthetic: Planes, axes: Mapping[int, int], height: float) -> list[int]:
    """Return the stacks along the seam whose middle slice lies on the changed side: brighter by about the step."""
    others = [stack for stack in range(real.shape[1]) if stack not in axes]
    brighter = {stack: float(synthetic[:, stack].mean() - real[:, stack].mean()) for stack in others}
    return [stack for stack, value in brighter.items() if value / height > 0.5]


def _windowed(image: Planes, before: Planes) -> Planes:
    """Return an image in a window whose ends have moved as its 0.5th and 99.5th percentile have.

    Of whole volumes the planes are a part, so what lies beyond the ends is bent to them: as much is clipped as before.
    """
    low, high = np.percentile(image, _ENDS) - np.percentile(before, _ENDS)
    scaled = (image - low) / max(1 + high - low, 1e-6)
    bottom, top = np.quantile(scaled, [(before <= 0).mean(), 1 - (before >= 1).mean()])
    ends = [min(bottom, 0.0), _BENT, 1 - _BENT, max(top, 1.0)]
    return clipped(np.interp(scaled, ends, [0, _BENT, 1 - _BENT, 1]))


def _step_in_own_window(
    axes: Mapping[int, int], side: slice, heights: Floats, share: float
) -> Callable[[Planes], Planes]:
    """Return what gives each image a step of its own and then its own window, as where the ranges of images differ."""

    def add(planes: Planes) -> Planes:
        own = np.resize(heights, len(planes)).clip(-_HIGHEST, _HIGHEST)
        added = (own / (1 - np.abs(own)))[:, None, None, None]
        stepped = planes.copy()
        along = [stack for stack in range(planes.shape[1]) if stack not in axes]
        stepped[:, along] += share * added[..., None]
        for stack, axis in axes.items():
            part = stepped[:, stack] if axis == -1 else stepped[:, stack].swapaxes(-1, -2)
            part[..., side] += added
        return np.stack([_windowed(image, before) for image, before in zip(stepped, planes, strict=True)])

    return add


def _step(axes: Mapping[int, int], side: slice, height: float, whole: list[int]) -> Callable[[Planes], Planes]:
    def add(planes: Planes) -> Planes:
        stepped = planes.copy()
        stepped[:, whole] += height
        for stack, axis in axes.items():
            part = stepped[:, stack] if axis == -1 else stepped[:, stack].swapaxes(-1, -2)
            part[..., side] += height
        return clipped(stepped)

    return add
