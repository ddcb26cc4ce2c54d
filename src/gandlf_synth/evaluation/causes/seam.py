"""Seams: a step between two neighboring lines, at the same place in all images, as where patches do not meet."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped
from gandlf_synth.evaluation.causes.orientation import BODY_AXES
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.slicing import STACKS

_SURE = 6.0
"""Standard errors by which a step must stand out."""
_LEAST = 0.01
"""Of the range."""
_LINES = {-1: "columns", -2: "rows"}


def seams(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the strongest seam along each axis, where there is one; in volumes it is seen in two stacks of slices."""
    real, synthetic = compared.real, compared.synthetic
    in_volumes = real.shape[1] == len(STACKS)
    for axes in [axes for _, axes in BODY_AXES] if in_volumes else [{0: -1}, {0: -2}]:
        place, step, sure = _strongest(real, synthetic, axes)
        if abs(sure) > _SURE and abs(step) > _LEAST:
            lines = " and ".join(
                f"{_LINES[axis]} {place} and {place + 1}" + (f" of {STACKS[stack]} slices" if in_volumes else "")
                for stack, axis in axes.items()
            )
            sentence = f"a seam runs through the images between {lines} ({step:+.0%} of the range)"
            for side in (slice(place + 1, None), slice(place + 1)):
                height = step if side.start else -step
                whole = _stacks_within(real, synthetic, axes, height)
                yield Degradation("seam", sentence, _step(axes, side, height, whole))


def _steps(planes: Planes, axes: Mapping[int, int]) -> Floats:
    """Return the mean step to the next line less that of the lines beside it, ``(n, lines - 3)``."""
    parts = [planes[:, stack].mean(axis=(1, -2 if axis == -1 else -1)) for stack, axis in axes.items()]
    step = np.diff(np.mean(parts, axis=0), axis=1)
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


def _stacks_within(real: Planes, synthetic: Planes, axes: Mapping[int, int], height: float) -> list[int]:
    """Return the stacks along the seam whose middle slice lies on the changed side: brighter by about the step."""
    others = [stack for stack in range(real.shape[1]) if stack not in axes]
    brighter = {stack: float(synthetic[:, stack].mean() - real[:, stack].mean()) for stack in others}
    return [stack for stack, value in brighter.items() if value / height > 0.5]


def _step(axes: Mapping[int, int], side: slice, height: float, whole: list[int]) -> Callable[[Planes], Planes]:
    def add(planes: Planes) -> Planes:
        stepped = planes.copy()
        stepped[:, whole] += height
        for stack, axis in axes.items():
            part = stepped[:, stack] if axis == -1 else stepped[:, stack].swapaxes(-1, -2)
            part[..., side] += height
        return clipped(stepped)

    return add
