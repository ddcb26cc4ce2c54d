"""What a person reads on a terminal: lines that a log keeps too, and progress bars."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from rich import progress as bars
from rich.console import Console
from rich.text import Text

from gandlf_synth.progress import Progress

T = TypeVar("T")


def silent_console() -> Console:
    """Return a console that shows nothing, for callers that gave none."""
    return Console(quiet=True)


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


class Reporter:
    """Says lines on a console and keeps them for a log file that is opened when the run may write.

    Args:
        console: where a person reads.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._waiting: list[str] = []
        self._log: Path | None = None

    def say(self, line: str, style: str = "") -> None:
        """Print ``line`` in a rich ``style`` and log it with the time."""
        self.console.print(Text(line, style))
        self._keep(line)

    def open_log(self, path: Path) -> None:
        """Log to ``path`` from now on, beginning with what was said before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._log = path
        waiting, self._waiting = self._waiting, []
        self._append(waiting)

    def _keep(self, line: str) -> None:
        stamped = f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}"
        if self._log is None:
            self._waiting.append(stamped)
        else:
            self._append([stamped])

    def _append(self, lines: list[str]) -> None:
        if self._log is not None and lines:
            with self._log.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
