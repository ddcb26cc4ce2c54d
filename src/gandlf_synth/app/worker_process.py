"""The process that holds the model, as the process of the page sees it: lines of JSON go there and come back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True)
class WorkerOptions:
    """What the process has to know.

    Args:
        model_dir: the model folder.
        checkpoint: the checkpoint; None: the best, else the last.
        refuse_copies: the CSV that the model was trained on; None: copies are not looked for.
        plugins: Python files with components.
    """

    model_dir: Path
    checkpoint: Path | None = None
    refuse_copies: Path | None = None
    plugins: tuple[Path, ...] = ()

    def as_json(self) -> str:
        """Return the options on one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "WorkerOptions":
        """Return the options that ``as_json`` wrote.

        Example:
            >>> options = WorkerOptions(Path("model"), plugins=(Path("a.py"),))
            >>> WorkerOptions.from_json(options.as_json()) == options
            True
        """
        content = json.loads(text)
        paths = {name: Path(content[name]) if content[name] else None for name in ("checkpoint", "refuse_copies")}
        return cls(Path(content["model_dir"]), **paths, plugins=tuple(map(Path, content["plugins"])))


class WorkerProcess:
    """A running worker.

    Args:
        options: what it has to know.
    """

    def __init__(self, options: WorkerOptions) -> None:
        command = [sys.executable, "-m", "gandlf_synth.app.worker", options.as_json()]
        self._process: subprocess.Popen[str] = subprocess.Popen(  # noqa: S603
            command, text=True, encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def send(self, message: Message) -> None:
        """Send a message; a process that has ended gets none."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the process says, until it ends."""
        for line in self._process.stdout or ():
            yield json.loads(line)

    def how_it_ended(self) -> str:
        """Return why the process is gone, for a message."""
        code = self._process.wait()
        if code == -9 and os.name == "posix":
            return "the system ended the process that makes images; the machine may lack memory"
        return f"the process that makes images ended (exit code {code}); the terminal may say why"

    def end(self) -> None:
        """End the process now."""
        self._process.kill()
        self._process.wait()
