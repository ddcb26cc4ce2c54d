"""The process that holds the model: reads orders from its input, one JSON a line, and says on its output what it does.

It ends when its input does, that is with the process of the page, whatever it is doing.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO, TypeVar

from gandlf_synth.app.order import Order
from gandlf_synth.app.studio import Studio
from gandlf_synth.app.worker_process import WorkerOptions
from gandlf_synth.errors import CheckpointError, GandlfSynthError
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.progress import listening
from gandlf_synth.registry import load_plugin

T = TypeVar("T")
_LOOK_EVERY = 2.0
"""Seconds between looks for the first checkpoint of a training."""
_TELL_EVERY = 0.2


class Teller:
    """Says what happens.

    Args:
        output: where to.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._told = 0.0

    def say(self, **message: Any) -> None:
        """Write a message."""
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()

    def progress(self, items: Iterable[T], total: int, description: str, /) -> Iterator[T]:
        """Yield ``items`` and say how many are done, and how far the present one is; see ``progress.Progress``."""
        for done, item in enumerate(items):
            stage = f"{description.lower()} {done + 1} of {total}"

            def hear(share: float, done: int = done, stage: str = stage) -> None:
                if time.monotonic() - self._told > _TELL_EVERY:
                    self._told = time.monotonic()
                    self.say(share=(done + share) / total, stage=stage)

            self.say(share=done / total, stage=stage)
            with listening(hear):
                yield item


def main() -> None:
    """Serve the process of the page."""
    teller = Teller(_own_output())
    options = WorkerOptions.from_json(sys.argv[1])
    orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
    Thread(target=_read, args=(orders,), daemon=True).start()
    try:
        for plugin in options.plugins:
            load_plugin(plugin)
        _await_checkpoint(options, teller)
        studio = Studio(options)
        teller.say(model=studio.describe())
    except GandlfSynthError as error:
        teller.say(model={"state": "unusable", "message": str(error)})
        return
    while True:
        _carry_out(studio, orders.get(), teller)


def _own_output() -> TextIO:
    """Return what the process of the page reads; whatever else is printed goes to the terminal."""
    sys.stdout.flush()
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return output


def _read(orders: "SimpleQueue[dict[str, Any]]") -> None:
    with suppress(ValueError, OSError):
        for line in sys.stdin:
            orders.put(json.loads(line))
    os._exit(0)


def _await_checkpoint(options: WorkerOptions, teller: Teller) -> None:
    """Wait while a training has no checkpoint yet.

    Raises:
        CheckpointError: there is none, and no training that will write one.
    """
    folder = ModelFolder(options.model_dir)
    while True:
        try:
            folder.choose_checkpoint(options.checkpoint)
        except CheckpointError:
            if options.checkpoint is not None or not folder.holds_a_run():
                raise
        else:
            return
        teller.say(model={"state": "absent", "message": "the training has no checkpoint yet"})
        time.sleep(_LOOK_EVERY)


def _carry_out(studio: Studio, message: Mapping[str, Any], teller: Teller) -> None:
    files = {column: Path(path) for column, path in message["files"].items()}
    try:
        if studio.changed:
            teller.say(share=0.0, stage="loading the model")
            teller.say(model=studio.describe())
        teller.say(share=0.0, stage="reading")
        order, said = Order.parse(message["order"]), StringIO()
        result = studio.make(order, files, Path(message["folder"]), said, teller.progress)
        teller.say(**result, remarks=said.getvalue().splitlines()[:-1])
    except GandlfSynthError as error:
        teller.say(error=str(error))
    except OSError as error:
        teller.say(error=f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")


if __name__ == "__main__":
    main()
