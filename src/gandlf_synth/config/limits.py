"""How deep, long and large a YAML may be: far more than a person writes, and nothing that takes minutes to read."""

from collections.abc import Iterable
from typing import Any

from gandlf_synth.errors import ConfigError, Problem

_DEEPEST = 50
_MOST_VALUES = 100_000
_LONGEST_NUMBER = 300
_LARGEST_INTEGER = 2**63 - 1


def check_limits(events: Iterable[Any], name: str) -> None:
    """Refuse a document that is nested too deeply or holds too many values, with those that aliases repeat.

    An alias (``*name``) stands for all that its anchor (``&name``) holds; a few nested ones stand for billions.

    Args:
        events: of ruamel's parser.
        name: where the text came from.

    Raises:
        ConfigError: which limit, and in which line.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    values = 0
    for event in events:
        line, kind = event.start_mark.line + 1, type(event).__name__
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            open_nodes.append((event.anchor, values))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = values - before + 1
        elif kind == "AliasEvent":
            if event.anchor not in sizes:
                raise ConfigError(Problem(f"{name}:{line}", f"*{event.anchor} repeats what it is itself a part of"))
            values += sizes[event.anchor]
        elif kind == "ScalarEvent" and event.anchor:
            sizes[event.anchor] = 1
        values += 1
        if len(open_nodes) > _DEEPEST:
            raise ConfigError(Problem(f"{name}:{line}", "is nested too deeply", f"{_DEEPEST} levels"))
        if values > _MOST_VALUES:
            what = "holds too many values, counting each as often as aliases (*name) repeat it"
            raise ConfigError(Problem(f"{name}:{line}", what, f"{_MOST_VALUES:,} values"))
        if kind == "ScalarEvent" and event.style is None:
            _check_number(event.value, f"{name}:{line}")


def _check_number(text: str, where: str) -> None:
    """Refuse numbers that no computer reckons with; ``.inf`` is one that was meant."""
    digits = text.lstrip("+-")
    if not digits[:1].isdigit():
        return
    shown = text if len(text) < 30 else f"{text[:12]}… ({len(text)} characters)"
    if len(digits) > _LONGEST_NUMBER and digits.isalnum():
        raise ConfigError(Problem(where, f"{shown} is too long for a number", "put texts into quotation marks"))
    try:
        value = int(digits) if digits.isdecimal() else float(digits)
    except ValueError:
        return
    if value == float("inf") or (isinstance(value, int) and value > _LARGEST_INTEGER):
        raise ConfigError(Problem(where, f"{shown} is too large a number", f"up to {_LARGEST_INTEGER}, or 1.7e308"))
