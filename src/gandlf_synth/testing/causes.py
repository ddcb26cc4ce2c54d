"""The conformance kit of causes: what may have been done to images."""

from collections.abc import Iterator

import numpy as np

from gandlf_synth import registry
from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.testing.promises import Promises, seen_unless

_SHAPES = ((1, 1, 32, 24), (1, 3, 32, 32), (3, 1, 24, 24), (3, 2, 24, 24))
"""Stacks, channels, rows and columns: pictures in gray and in color, volumes of one and of two channels."""
_COUNT = 4


def check_cause(name: str) -> None:
    """Check a registered function of the group ``causes``.

    Args:
        name: the registered name.

    Raises:
        PluginError: every promise that the function breaks.

    Example:
        >>> check_cause("seam")
    """
    promises = Promises(f"causes.{name}")
    promises.add("a change gives images of the same shape with values from 0 to 1", _keeps_shape, name)
    promises.add("the same images give the same changes, and are not changed", _repeatable, name)
    promises.add("each change has a name and a sentence without a full stop", _has_words, name)
    promises.add("it takes images without any contrast", _constant, name)
    promises.check()


def _compared(shape: tuple[int, ...]) -> ComparedPlanes:
    """Return smooth images, and others that are darker, with a step and with a grid."""
    noise = np.random.default_rng(0).random((2, _COUNT, *shape), dtype=np.float32)
    values: Planes = np.asarray((noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)) / 3, dtype=np.float32)
    values[1] *= 0.6
    values[1, ..., shape[-1] // 2 :] += 0.2
    values[1, ..., ::2, ::2] += 0.1
    return ComparedPlanes(values[0], values[1])


def _changes(name: str, compared: ComparedPlanes) -> list[Degradation]:
    return list(registry.load("causes", name)(compared))


def _applied(name: str) -> Iterator[tuple[Planes, Planes]]:
    for shape in _SHAPES:
        compared = _compared(shape)
        for change in _changes(name, compared):
            yield compared.real, change.apply(compared.real)


def _keeps_shape(name: str) -> str:
    for real, changed in _applied(name):
        within = bool(np.isfinite(changed).all() and changed.min() >= 0 and changed.max() <= 1)
        if changed.shape != real.shape or not within:
            return seen_unless(False, f"shape {changed.shape} of {real.shape}, {changed.min():g} to {changed.max():g}")
    return ""


def _repeatable(name: str) -> str:
    first, second = ([changed for _, changed in _applied(name)] for _ in range(2))
    if any(not np.array_equal(real, _compared(real.shape[1:]).real) for real, _ in _applied(name)):
        return seen_unless(False, "changed originals")
    same = len(first) == len(second) and all(map(np.array_equal, first, second))
    return seen_unless(same, "other changes")


def _has_words(name: str) -> str:
    changes = _changes(name, _compared(_SHAPES[0]))
    wordless = [change for change in changes if not (change.name and change.sentence) or change.sentence.endswith(".")]
    return seen_unless(not wordless, wordless)


def _constant(name: str) -> str:
    flat = np.full((_COUNT, *_SHAPES[0]), 0.5, dtype=np.float32)
    results = [change.apply(flat) for change in _changes(name, ComparedPlanes(flat, flat))]
    return seen_unless(all(bool(np.isfinite(result).all()) for result in results), "values that are not finite")
