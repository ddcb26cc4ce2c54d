"""What lies at the same place in all images: borders, burnt-in marks, a checkerboard of transposed convolutions."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gandlf_synth.evaluation.causes.appearance import WAVES, Planes, grid_strength, wave
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped
from gandlf_synth.metrics.intervals import Floats

_GRID = 3.0
"""How many times stronger than in real images a pattern that repeats must be."""
_PERIODS = (3, 4, 8)
_WEAKEST = 0.004
_STILL, _MOVING = 0.02, 0.05
"""Deviation over images below which a pixel stands still, and what it must differ from that of real images."""
_FEWEST, _MOST = 4, 0.6
"""Pixels that stand still, and the share of all of them above which it is the images that are all the same."""
_WHOLE_EDGE = 0.8


def fixed_patterns(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give what is the same in all synthetic images and in no real one."""
    yield from _waves(compared.real, compared.synthetic)
    yield from _periodic(compared.real, compared.synthetic)
    yield from _still(compared.real, compared.synthetic)


def _checkerboard(period: int) -> str:
    return f"a checkerboard pattern (a grid with a period of {period} pixels) lies over the images"


def _waves(real: Planes, synthetic: Planes) -> Iterator[Degradation]:
    levels, usual = (np.median(grid_strength(part.reshape(-1, *part.shape[2:])), axis=0) for part in (synthetic, real))
    for level, normal, along in zip(levels, usual, WAVES, strict=True):
        if level > _GRID * normal:
            yield Degradation("checkerboard", _checkerboard(2), _add(level * wave(real.shape[-2:], along)))


def _periodic(real: Planes, synthetic: Planes) -> Iterator[Degradation]:
    for period in (length for length in _PERIODS if 2 * length <= min(real.shape[-2:])):
        pattern, usual = (_tile(part, period) for part in (synthetic, real))
        if pattern.std() > max(_WEAKEST, _GRID * usual.std()):
            repeats = [-(-length // period) for length in real.shape[-2:]]
            tiled = np.tile(pattern - usual, (1, *repeats))[:, : real.shape[-2], : real.shape[-1]]
            yield Degradation("checkerboard", _checkerboard(period), _add(tiled))


def _tile(planes: Planes, period: int) -> Floats:
    """Return the mean tile of the fine detail of all images, ``(channels, period, period)``."""
    mean = planes.mean(axis=(0, 1), dtype=np.float64)
    fine = mean - ndimage.uniform_filter(mean, (0, period, period), mode="nearest")
    rows, columns = (length // period for length in fine.shape[-2:])
    tiles = fine[:, : rows * period, : columns * period].reshape(len(fine), rows, period, columns, period)
    return np.asarray(np.median(tiles, axis=(1, 3)))


def _still(real: Planes, synthetic: Planes) -> Iterator[Degradation]:
    mean = np.median(synthetic, axis=0)
    still = (synthetic.std(axis=0) < _STILL).all(axis=1, keepdims=True)
    other = (np.abs(real.mean(axis=0) - mean) > _MOVING) | (real.std(axis=0) > _MOVING)
    marked = still & other.any(axis=1, keepdims=True)
    if marked.sum() >= _FEWEST and marked.mean() < _MOST:
        edges = _edges(marked.any(axis=(0, 1)))
        if edges:
            sentence = f"a border of all images is empty or the same ({', '.join(edges)}): is it cut off?"
            yield Degradation("border", sentence, lambda planes: clipped(np.where(marked, mean, planes)))
        else:
            # What is empty in most real images, too, is background that some of them fill, and no mark.
            unusual = np.abs(np.median(real, axis=0) - mean) > _MOVING
            yield from _mark(marked & unusual.any(axis=1, keepdims=True), mean)


def _mark(marked: NDArray[np.bool_], mean: Planes) -> Iterator[Degradation]:
    if marked.sum() < _FEWEST:
        return
    rows, columns = (np.flatnonzero(marked.any(axis=(0, 1, axis))) + 1 for axis in (3, 2))
    where = f"rows {rows[0]} to {rows[-1]}, columns {columns[0]} to {columns[-1]}"
    sentence = f"the same mark lies at the same place of all images ({where}), such as text that was burnt in"
    yield Degradation("mark", sentence, lambda planes: clipped(np.where(marked, mean, planes)))


def _edges(marked: NDArray[np.bool_]) -> list[str]:
    lines = {"top": marked[0], "bottom": marked[-1], "left": marked[:, 0], "right": marked[:, -1]}
    return [name for name, line in lines.items() if line.mean() > _WHOLE_EDGE]


def _add(pattern: Floats) -> Callable[[Planes], Planes]:
    return lambda planes: clipped(planes + pattern)
