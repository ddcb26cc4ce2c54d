"""Progress bars for loops, live on a terminal and silent in a log."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Bar = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""(items, their number, description) → the same items, shown as they go."""


def progress_bar(console: Console) -> Bar:
    """Return a function that shows an iterable as a bar with the time left on ``console``."""

    def show(items: Iterable[Any], total: int, description: str) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            yield from progress.track(items, total=total, description=description)

    return show
