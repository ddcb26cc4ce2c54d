"""Runs the page until it is stopped."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from gandlf_synth.app.engine import Engine
from gandlf_synth.app.jobs import JobQueue
from gandlf_synth.app.server import PageServer
from gandlf_synth.app.service import Service
from gandlf_synth.app.uploads import Uploads
from gandlf_synth.app.worker_process import WorkerOptions
from gandlf_synth.files import make_numbered_folder
from gandlf_synth.model_folder import ModelFolder


class App:
    """The page of a model: a server, and the process that holds the model.

    Args:
        options: the model.
        output_dir: where the folder of this app's images is made; None: inside the model folder.
        port: to listen on; 0: a free one.

    Raises:
        CheckpointError: the folder holds no model, nor a training that will give one.
        ResourceError: the port is taken, or the folder cannot be written.
    """

    def __init__(self, options: WorkerOptions, output_dir: Path | None = None, port: int = 0) -> None:
        folder = ModelFolder(options.model_dir)
        if options.checkpoint is not None or not folder.holds_a_run():
            folder.choose_checkpoint(options.checkpoint)
        self._server = PageServer(port, secrets.token_urlsafe(24))
        name = f"{folder.root.resolve().name}_app_output"
        self.output = make_numbered_folder(output_dir or options.model_dir, name)
        self._uploads = Uploads(self.output / "uploads")
        self._queue = JobQueue(self.output)
        self._engine = Engine(options, self._queue)
        self._server.answer = Service(folder, self._queue, self._uploads, self._engine)

    @property
    def url(self) -> str:
        """The address of the page, with its secret."""
        return self._server.admission.url

    def serve(self, ready: Callable[[str], None]) -> None:
        """Answer requests until a key or a signal interrupts; ``ready`` is told the address."""
        listening = Thread(target=self._server.serve_forever, name="page", daemon=True)
        listening.start()
        try:
            ready(self.url)
            self._engine.start()
            listening.join()
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop, and leave nothing behind that no image needs."""
        self._engine.end()
        self._server.shutdown()
        self._server.server_close()
        self._uploads.remove_all_but(self._queue.uploads_used())
        if not any(path.is_file() for path in self.output.rglob("*")):
            shutil.rmtree(self.output, ignore_errors=True)
