"""The conformance kit of postprocessing: changes of finished images before they are written."""

import numpy as np

from gandlf_synth import registry
from gandlf_synth.data.processing.base import Postprocessing
from gandlf_synth.data.processing.postprocessing import Values
from gandlf_synth.testing.promises import Promises, checked_step, seen_unless

_SHAPES = ((13, 10), (9, 8, 7))


def check_postprocessing(name: str, parameters: object = None) -> None:
    """Check a registered postprocessing step.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the step breaks.

    Example:
        >>> check_postprocessing("fill_holes")
    """
    checked_step("postprocessing", name, parameters)
    component: type[Postprocessing] = registry.load("postprocessing", name)
    step = component.model_validate(parameters)
    promises = Promises(f"postprocessing.{name}")
    promises.add("its parameters can be written and read again", _parameters_round_trip, step)
    promises.add("it keeps the shape in 2D and 3D, and values finite", _keeps_shape, step)
    promises.add("the same channel gives the same result, and is not changed", _repeatable, step)
    promises.add("it takes images without any contrast", _constant, step)
    promises.check()


def _channel(shape: tuple[int, ...]) -> Values:
    """Return labels 0, 1 and 2 in two regions with a hole each."""
    channel = np.zeros(shape)
    channel[1:6, 1:6] = 1
    channel[3, 3] = 0
    channel[-2:, -2:] = 2
    return channel


def _parameters_round_trip(step: Postprocessing) -> str:
    again = type(step).model_validate(step.model_dump(mode="json", exclude_unset=True))
    return seen_unless(again == step, again)


def _keeps_shape(step: Postprocessing) -> str:
    results = [step(_channel(shape)) for shape in _SHAPES]
    kept = all(result.shape == shape for result, shape in zip(results, _SHAPES, strict=True))
    finite = all(bool(np.isfinite(result).all()) for result in results)
    return seen_unless(
        kept and finite, [result.shape for result in results] if finite else "values that are not finite"
    )


def _repeatable(step: Postprocessing) -> str:
    channel = _channel(_SHAPES[1])
    first, second = step(channel), step(channel)
    if not np.array_equal(channel, _channel(_SHAPES[1])):
        return seen_unless(False, "a changed original")
    return seen_unless(np.array_equal(first, second), "another result")


def _constant(step: Postprocessing) -> str:
    flat = step(np.full(_SHAPES[0], 5.0))
    return seen_unless(bool(np.isfinite(flat).all()), "values that are not finite")
