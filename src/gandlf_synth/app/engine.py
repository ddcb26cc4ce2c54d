"""Carries out the jobs of the queue, one after another, in a process that holds the model."""

import shutil
from threading import Lock, Thread
from typing import Any

from gandlf_synth.app.jobs import Job, JobQueue
from gandlf_synth.app.worker_process import WorkerOptions, WorkerProcess

_LOADING = {"state": "loading", "message": "loading the model"}


class Engine(Thread):
    """The only one that talks to the worker; a worker that ends is replaced.

    Args:
        options: what workers have to know.
        queue: the jobs.
    """

    def __init__(self, options: WorkerOptions, queue: JobQueue) -> None:
        super().__init__(name="engine", daemon=True)
        self._options, self._queue = options, queue
        self._lock = Lock()
        self._worker: WorkerProcess | None = None
        self._ended = self._worker_was_ended = False
        self.model: dict[str, Any] = _LOADING
        """What the page is told of the model: it is ``loading``, ``ready`` with its fields, or ``unusable``."""

    def run(self) -> None:
        """Carry out jobs until the app ends."""
        while not self._ended:
            worker = self._start()
            if worker is not None and self._await_model(worker):
                while self._carry_out(worker, self._queue.take()):
                    pass

    def _start(self) -> WorkerProcess | None:
        with self._lock:
            if self._ended:
                return None
            self._worker, self._worker_was_ended = WorkerProcess(self._options), False
            return self._worker

    def _await_model(self, worker: WorkerProcess) -> bool:
        """Return whether the worker has a model that makes images; while a training has none yet, it waits."""
        for message in worker.messages():
            self.model = message["model"]
            if self.model["state"] != "absent":
                break
        else:
            if not (self._ended or self._worker_was_ended):
                self.model = {"state": "unusable", "message": worker.how_it_ended()}
        if self.model["state"] == "unusable":
            self._fail_the_next()
        return bool(self.model["state"] == "ready")

    def _fail_the_next(self) -> None:
        """Let the next order fail with what is wrong, and only then try another worker: it may end at once again."""
        job = self._queue.take()
        if job is not None:
            self._queue.update(job, "failed", error=self.model["message"])
            self.model = _LOADING

    def _carry_out(self, worker: WorkerProcess, job: Job | None) -> bool:
        """Return whether the worker can take another job."""
        if job is None:
            return False
        worker.send({"job": job.name, "folder": str(job.folder), "order": job.order.model_dump(mode="json"),
                     "files": {column: str(path) for column, path in job.cells.items()}})  # fmt: skip
        for message in worker.messages():
            if "model" in message:
                self.model = message["model"]
            elif "share" in message:
                job.share, job.stage = message["share"], message["stage"]
            elif "error" in message:
                self._queue.update(job, "failed", error=message["error"])
                return True
            else:
                self._queue.update(job, "done", result=message)
                return True
        if job.state == "canceled":
            shutil.rmtree(job.folder, ignore_errors=True)
        if self._worker_was_ended:  # because of another job, which was over at the same moment
            self._queue.put_back(job)
        self._queue.update(job, "failed", error=worker.how_it_ended())
        return False

    def cancel(self, job: Job) -> None:
        """Cancel a job; where it runs, the worker ends with it and another one takes its place."""
        if self._queue.cancel(job):
            self._end_worker()

    def end(self) -> None:
        """End the worker and take no more jobs."""
        self._ended = True
        self._queue.close()
        self._end_worker()

    def _end_worker(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker_was_ended = True
                self._worker.end()
