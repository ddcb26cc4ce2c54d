"""How a long loop says how far it is, without knowing where that is shown."""

from collections.abc import Iterable
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
