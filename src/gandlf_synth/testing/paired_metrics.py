"""The conformance kit of metrics that compare a reconstruction with its original."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.testing.promises import Promises, seen_unless

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
PairedMetric = Callable[[Array, Array, Mask | None], float]

_SHAPES = ((1, 24, 19), (3, 17, 24), (1, 16, 13, 18), (2, 14, 16, 11))
_ERRORS = (0.0, -0.05, 0.5)
"""How much noise, as a share of the deviation of the original, is added to it; it is taken away where negative."""


def check_paired_metric(name: str, *, ranks_errors: bool = True, is_symmetric: bool = False) -> None:
    """Check a registered paired metric.

    Args:
        name: the registered name.
        ranks_errors: whether the number gets worse with every larger error, from the original itself on; not so for
            statistics that describe and do not judge.
        is_symmetric: whether original and reconstruction may change places.

    Raises:
        PluginError: every promise that the metric breaks.

    Example:
        >>> check_paired_metric("mean_absolute_error", is_symmetric=True)
    """
    metric: PairedMetric = registry.load("paired_metrics", name)
    promises = Promises(f"paired_metrics.{name}")
    promises.add("it returns one number for images in 2D and 3D with any number of channels", _one_number, metric)
    promises.add("the same images give the same number, and are not changed", _repeatable, metric)
    promises.add("it takes images without any contrast", _constant, metric)
    promises.add("what a reconstruction holds outside the mask changes nothing", _masked, metric)
    if ranks_errors:
        promises.add("the original is its own best reconstruction, and more noise is worse", _ranks, metric)
    if is_symmetric:
        promises.add("original and reconstruction may change places", _symmetric, metric)
    promises.check()


def _pair(shape: tuple[int, ...], error: float = _ERRORS[1]) -> tuple[Array, Array]:
    """Return an image in the units of CT with a bright region, and the same with noise."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape[1:]), indexing="ij")
    region = np.sqrt(sum(axis**2 for axis in axes)) < 0.6
    original = 1000.0 * region + 100 * rng.normal(size=shape) - 500
    noise = error * original.std() * rng.normal(size=shape)
    return original.astype(np.float32), (original + noise).astype(np.float32)


def _one_number(metric: PairedMetric) -> str:
    values = [metric(*_pair(shape), None) for shape in _SHAPES]
    kept = all(isinstance(value, float) and np.isfinite(value) for value in values)
    return seen_unless(kept, values)


def _repeatable(metric: PairedMetric) -> str:
    images = _pair(_SHAPES[0])
    values = [metric(*images, None) for _ in range(2)]
    unchanged = all(np.array_equal(image, fresh) for image, fresh in zip(images, _pair(_SHAPES[0]), strict=True))
    return seen_unless(values[0] == values[1] and unchanged, values if unchanged else "changed images")


def _constant(metric: PairedMetric) -> str:
    flat = np.full(_SHAPES[0], 7.0, np.float32)
    return seen_unless(isinstance(metric(flat, flat.copy(), None), float), "something else than a float")


def _masked(metric: PairedMetric) -> str:
    for shape in _SHAPES:
        original, reconstruction = _pair(shape)
        mask = np.zeros(shape[1:], bool)
        mask[tuple(slice(1, -1) for _ in mask.shape)] = True
        as_given = metric(original, reconstruction, mask)
        changed = metric(original, np.where(mask, reconstruction, np.float32(7)), mask)
        if not np.array_equal(as_given, changed, equal_nan=True) or not isinstance(as_given, float):
            return seen_unless(False, [as_given, changed])
    return ""


def _ranks(metric: PairedMetric) -> str:
    for shape in _SHAPES:
        values = [metric(*_pair(shape, error), None) for error in _ERRORS]
        if values not in (sorted(values), sorted(values, reverse=True)) or len(set(values)) < len(values):
            return seen_unless(False, f"{values} for noise of {_ERRORS}")
    return ""


def _symmetric(metric: PairedMetric) -> str:
    original, reconstruction = _pair(_SHAPES[0])
    values = metric(original, reconstruction, None), metric(reconstruction, original, None)
    return seen_unless(bool(np.isclose(*values, rtol=1e-5)), values)
