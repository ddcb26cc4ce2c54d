"""How a long loop says how far it is, without knowing where that is shown."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Gives back the items of a loop, and shows how far it is; see ``display.console.progress_bar``."""

    def __call__(self, items: Iterable[T], total: int, description: str, /) -> Iterable[T]:
        """Return ``items``, of which there are ``total``; ``description`` says what is done to them."""


def no_progress(items: Iterable[T], total: int, description: str, /) -> Iterable[T]:  # noqa: ARG001
    """Show nothing.

    >>> list(no_progress([1, 2], 2, "Reading"))
    [1, 2]
    """
    return items


def _not_heard(share: float) -> None:
    pass


_hear: ContextVar[Callable[[float], None]] = ContextVar("hear", default=_not_heard)


def tell_share(share: float) -> None:
    """Say which share of an item is done, from 0 to 1, to whoever listens; one item may take minutes by itself."""
    _hear.get()(share)


@contextmanager
def listening(hear: Callable[[float], None]) -> Iterator[None]:
    """Let ``hear`` be told the share of each item for the length of the block.

    >>> heard = []
    >>> with listening(heard.append):
    ...     tell_share(0.5)
    >>> tell_share(1.0)
    >>> heard
    [0.5]
    """
    token = _hear.set(hear)
    try:
        yield
    finally:
        _hear.reset(token)
