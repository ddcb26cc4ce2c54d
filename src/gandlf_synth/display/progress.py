"""Progress bars for loops, live on a terminal and silent in a log."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich import progress as bars
from rich.console import Console

from gandlf_synth.progress import Progress

T = TypeVar("T")


def progress_bar(console: Console) -> Progress:
    """Return a function that shows a loop as a bar with the time left on ``console``."""

    def show(items: Iterable[T], total: int, description: str, /) -> Iterator[T]:
        columns = (
            bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(), bars.TextColumn("left"), bars.TimeRemainingColumn(),
        )  # fmt: skip
        with bars.Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            yield from progress.track(items, total=total, description=description)

    return show
