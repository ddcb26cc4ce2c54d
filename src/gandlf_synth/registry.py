"""Components found by name through entry points; the built-in ones have no privileged path.

A group ``models`` is the entry-point group ``gandlf_synth.models``. Names are case-insensitive. Listing names
reads package metadata only, so that ``--help`` and error messages import nothing heavy.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gandlf_synth.errors import ConfigError, PluginError, Problem, did_you_mean, listing

_PREFIX = "gandlf_synth."


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name.lower(): entry for entry in entry_points(group=_PREFIX + group)}


def names(group: str) -> list[str]:
    """Return the sorted names of every component in ``group``, such as ``"losses"``."""
    return sorted(_entries(group))


def unknown_name(group: str, name: str, where: str) -> Problem | None:
    """Return the problem with ``name`` when nothing of that name is registered in ``group``, else None."""
    if name.lower() in _entries(group):
        return None
    known = names(group)
    return Problem(where, f"unknown name {name!r} in {group}", listing(known), did_you_mean(name, known))


def load(group: str, name: str) -> Any:
    """Return the component registered as ``name`` in ``group``.

    Raises:
        ConfigError: no component has that name.
        PluginError: its package is there but cannot be imported.
    """
    problem = unknown_name(group, name, group)
    if problem:
        raise ConfigError(problem)
    entry = _entries(group)[name.lower()]
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        source = entry.dist.name if entry.dist else entry.value
        raise PluginError(
            Problem(f"{group}.{name} of {source}", f"cannot be loaded from {entry.value}: {error}")
        ) from error
