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
    document = _Size(name)
    for event in events:
        document.add(event)


class _Size:
    """Counts the values of a document as they come, each as often as aliases repeat it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values = 0
        self._anchored: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = []

    def add(self, event: Any) -> None:
        """Take in the next event of the parser."""
        kind, where = type(event).__name__, f"{self._name}:{event.start_mark.line + 1}"
        if kind.endswith("EndEvent") and self._open:
            self._close()
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._open.append((event.anchor, self._values))
        elif kind == "AliasEvent":
            self._repeat(event.anchor, where)
        elif kind == "ScalarEvent":
            self._anchored |= {event.anchor: 1} if event.anchor else {}
            if event.style is None:
                _check_number(event.value, where)
        self._values += 1
        if len(self._open) > _DEEPEST:
            raise ConfigError(Problem(where, "is nested too deeply", f"{_DEEPEST} levels"))
        if self._values > _MOST_VALUES:
            what = "holds too many values, counting each as often as aliases (*name) repeat it"
            raise ConfigError(Problem(where, what, f"{_MOST_VALUES:,} values"))

    def _close(self) -> None:
        anchor, before = self._open.pop()
        if anchor:
            self._anchored[anchor] = self._values - before + 1

    def _repeat(self, anchor: str, where: str) -> None:
        if any(anchor == inside for inside, _ in self._open):
            raise ConfigError(Problem(where, f"*{anchor} stands inside of what it repeats"))
        self._values += self._anchored.get(anchor, 1)


def _check_number(text: str, where: str) -> None:
    """Refuse numbers that no computer reckons with; ``.inf`` is one that was meant."""
    digits = text.lstrip("+-")
    if not digits[:1].isdigit():
        return
    shown = text if len(text) < 30 else f"{text[:12]}… ({len(text)} characters)"
    if len(digits) > _LONGEST_NUMBER and digits.isalnum():
        raise ConfigError(Problem(where, f"{shown} is too long for a number", fix="put texts into quotation marks"))
    try:
        value = int(digits) if digits.isdecimal() else float(digits)
    except ValueError:
        return
    if value == float("inf") or (isinstance(value, int) and value > _LARGEST_INTEGER):
        raise ConfigError(Problem(where, f"{shown} is too large a number", f"up to {_LARGEST_INTEGER}, or 1.7e308"))
