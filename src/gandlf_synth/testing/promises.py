"""How every checker works: it keeps a list of promises, tries each, and reports all that are broken."""

from collections.abc import Callable, Mapping
from functools import partial

from gandlf_synth.config import Component, Document, Step
from gandlf_synth.config.loading import check_step
from gandlf_synth.config.signature import parameter_problems
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.errors import ConfigError, GandlfSynthError, PluginError, Problem, raise_if_any

FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError, RuntimeError),
    *(TypeError, ValueError, GandlfSynthError, TransformError, UnreadableError),
)
"""What a component that does not do what it promises may raise."""

Promise = Callable[[], str]
"""Tries something and returns what was seen instead of what was promised; nothing where the promise is kept."""


class Promises:
    """The promises that one component makes.

    Args:
        where: the component, such as ``losses.mse``.

    Example:
        >>> promises = Promises("losses.mine")
        >>> promises.add("the loss is finite", lambda: seen_unless(False, "nan"))
        >>> promises.check()
        Traceback (most recent call last):
        ...
        gandlf_synth.errors.PluginError: losses.mine: breaks a promise: the loss is finite; it gives nan
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._promises: dict[str, Promise] = {}

    def add(self, promise: str, attempt: Callable[..., str], *arguments: object) -> None:
        """Add a promise in words, and the function that tries it with ``arguments``."""
        self._promises[promise] = partial(attempt, *arguments)

    def check(self) -> None:
        """Try every promise.

        Raises:
            PluginError: every promise that is broken.
        """
        raise_if_any(self.broken(), PluginError)

    def broken(self) -> list[Problem]:
        """Return one problem for every promise that is broken."""
        results = {promise: _try(attempt) for promise, attempt in self._promises.items()}
        return [
            Problem(self._where, f"breaks a promise: {promise}", fix=result)
            for promise, result in results.items()
            if result
        ]


def seen_unless(kept: bool, seen: object) -> str:
    """Return what was seen where a promise is not kept, else nothing."""
    return "" if kept else f"it gives {seen}"


def checked_step(group: str, name: str, parameters: object) -> Step:
    """Return a component as a YAML names it, which would be accepted there.

    Raises:
        ConfigError: the name or a parameter is wrong.
    """
    step = Step(name=name, parameters=parameters)
    document = Document(f"the check of {group}.{name}", {name: parameters})
    raise_if_any(check_step(group, step, document, (name,)), ConfigError)
    return step


def checked_component(group: str, name: str, parameters: Mapping[str, object] | None) -> Component:
    """Return a component with parameters by name, which a YAML may set.

    Raises:
        ConfigError: the name or a parameter is wrong.
    """
    component = Component(name=name, **dict(parameters or {}))
    document = Document(f"the check of {group}.{name}", dict(parameters or {}))
    raise_if_any(parameter_problems(group, component, document, ()), ConfigError)
    return component


def _try(attempt: Promise) -> str:
    try:
        return attempt()
    except FAILURES as error:
        return f"it raises {type(error).__name__}: {error}"
