"""Seams: a step between two neighboring lines, at the same place in all images, as where patches do not meet."""

from collections.abc import Callable, Iterator

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped
from gandlf_synth.metrics.intervals import Floats

_SURE = 6.0
"""Standard errors by which a step must stand out."""
_LEAST = 0.01
"""Of the range."""


def seams(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the strongest seam along each axis, where there is one."""
    real, synthetic = compared.real, compared.synthetic
    for axis, name in ((-1, "columns"), (-2, "rows")):
        for stack in range(real.shape[1]):
            place, step, sure = _strongest(real[:, stack], synthetic[:, stack], axis)
            if abs(sure) > _SURE and abs(step) > _LEAST:
                sentence = (
                    f"a seam runs through the images between {name} {place} and {place + 1} ({step:+.0%} of the range)"
                )
                yield Degradation("seam", sentence, _step(stack, axis, place, step))


def _steps(planes: Planes, axis: int) -> Floats:
    """Return the mean step to the next line less that of the lines beside it, ``(n, lines - 3)``."""
    lines = planes.mean(axis=(1, -2 if axis == -1 else -1))
    step = np.diff(lines, axis=1)
    return np.asarray(step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2)


def _strongest(real: Planes, synthetic: Planes, axis: int) -> tuple[int, float, float]:
    """Return the line before the step that stands out most, its height, and by how many standard errors."""
    a, b = _steps(real, axis), _steps(synthetic, axis)
    if a.shape[1] < 1:
        return 0, 0.0, 0.0
    step = b.mean(axis=0) - a.mean(axis=0)
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b)) + 1e-3
    place = int(np.argmax(np.abs(step / error)))
    return place + 1, float(step[place]), float(step[place] / error[place])


def _step(stack: int, axis: int, place: int, height: float) -> Callable[[Planes], Planes]:
    def add(planes: Planes) -> Planes:
        stepped = planes.copy()
        part = stepped[:, stack] if axis == -1 else stepped[:, stack].swapaxes(-1, -2)
        part[..., place + 1 :] += height
        return clipped(stepped)

    return add
