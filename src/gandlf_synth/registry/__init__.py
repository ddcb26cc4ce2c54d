"""Components found by name through entry points; the built-in ones have no privileged path.

A group ``models`` is the entry-point group ``gandlf_synth.models``; ``GROUPS`` says what a component of each group is.
Names are case-insensitive. Listing names reads package metadata only, so that ``--help`` and error messages import
nothing heavy. A file of one's own adds components with ``register``; it is loaded only when the user names it.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gandlf_synth.errors import ConfigError, PluginError, Problem, did_you_mean, listing
from gandlf_synth.registry.groups import GROUPS, Group, shape_problem

__all__ = ["GROUPS", "Group", "entries", "load", "load_plugin", "names", "register", "registered", "unknown_name"]

_PREFIX = "gandlf_synth."
_registered: dict[str, dict[str, object]] = {}
_plugins: list[Path] = []
T = TypeVar("T")


class _Bridge(Protocol):
    """The components of another framework, of whose names the part after the colon is its own."""

    def names(self, group: str) -> list[str]: ...

    def load(self, group: str, name: str) -> object: ...


@cache
def entries(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of installed packages in ``group``, by lower-case name."""
    return {entry.name.lower(): entry for entry in entry_points(group=_PREFIX + group)}


def names(group: str) -> list[str]:
    """Return the sorted names of every component in ``group``.

    Raises:
        PluginError: there is no such group.

    Example:
        >>> "mse" in names("losses")
        True
    """
    _check_group(group)
    return sorted({*entries(group), *_registered.get(group, {})})


def registered(group: str) -> tuple[tuple[str, object], ...]:
    """Return what ``register`` added to ``group``, so that whoever keeps what was listed sees what is new."""
    return tuple(_registered.get(group, {}).items())


def unknown_name(group: str, name: str, where: str) -> Problem | None:
    """Return the problem with ``name`` when nothing of that name is registered in ``group``, else None.

    Raises:
        PluginError: it names another framework, ``gandlf:adamw`` for example, which is not installed; or there is no
            such group.
    """
    bridge, foreign = _bridge(name)
    known = bridge.names(group) if bridge else names(group)
    if (foreign if bridge else name).lower() in (known_name.lower() for known_name in known):
        return None
    return Problem(where, f"unknown name {name!r} in {group}", listing(known), did_you_mean(name, known))


def load(group: str, name: str) -> Any:
    """Return the component registered as ``name`` in ``group``.

    Raises:
        ConfigError: no component has that name.
        PluginError: its package is there but cannot be imported, or what it names is not what ``GROUPS`` says; or
            there is no such group.
    """
    problem = unknown_name(group, name, group)
    if problem:
        raise ConfigError(problem)
    bridge, foreign = _bridge(name)
    if bridge:
        return bridge.load(group, foreign)
    if name.lower() in _registered.get(group, {}):
        return _registered[group][name.lower()]
    entry = entries(group)[name.lower()]
    where = f"{group}.{name} of {_package_of(entry)}"
    try:
        component = entry.load()
    except (ImportError, AttributeError) as error:
        raise PluginError(Problem(where, f"cannot be loaded from {entry.value}: {error}")) from error
    problem = shape_problem(group, where, component)
    if problem:
        raise PluginError(problem)
    return component


@cache
def _package_of(entry: EntryPoint) -> str:
    """Return the package that brings a component; its metadata is parsed anew each time that it is asked."""
    return entry.dist.name if entry.dist else entry.value


def register(group: str, name: str) -> Callable[[T], T]:
    """Return a decorator that makes its argument the component ``name`` of ``group``; for files given as plugins.

    Raises:
        PluginError: there is no such group, an installed component has the name already, or the argument is not what
            ``GROUPS`` says.
    """
    _check_group(group)

    def add(component: T) -> T:
        if name.lower() in entries(group):
            raise PluginError(
                Problem(f"{group}.{name}", "is the name of an installed component", fix="choose another name")
            )
        problem = shape_problem(group, f"{group}.{name}", component)
        if problem:
            raise PluginError(problem)
        _registered.setdefault(group, {})[name.lower()] = component
        return component

    return add


def load_plugin(file: Path) -> None:
    """Run a Python file that registers components; its classes are then found under the file's name.

    Raises:
        PluginError: it is not there, or it fails.
    """
    where = f"--plugin {file}"
    spec = spec_from_file_location(file.stem, file) if file.is_file() else None
    if spec is None or spec.loader is None:
        raise PluginError(Problem(where, "is not a Python file", fix="name a file such as my_model.py"))
    module = module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
        what = f"cannot be loaded: {type(error).__name__}: {error}"
        raise PluginError(Problem(where, what, fix="mend the file; --debug shows the line")) from error
    _plugins.append(file.absolute())


def loaded_plugins() -> tuple[Path, ...]:
    """Return the files that ``load_plugin`` has run, for processes that this one starts."""
    return tuple(_plugins)


def _check_group(group: str) -> None:
    if group not in GROUPS:
        what = f"there is no group {group!r} of components"
        raise PluginError(Problem("registry", what, listing(GROUPS), did_you_mean(group, GROUPS)))


def _bridge(name: str) -> tuple[_Bridge | None, str]:
    """Return the module that knows the components of the framework before the colon of ``name``, and what is after."""
    prefix, colon, foreign = name.partition(":")
    entry = entries("bridges").get(prefix.lower()) if colon else None
    return (entry.load() if entry else None), foreign
