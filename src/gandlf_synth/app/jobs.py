"""The orders of all browsers in one queue: they are carried out one after another, each in a folder of its own."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Condition
from typing import Any, Literal

from gandlf_synth.app.order import Order
from gandlf_synth.app.reply import RefusedError

State = Literal["waiting", "running", "done", "failed", "canceled"]
_MOST_WAITING = 20
_MOST_KEPT = 200


@dataclass
class Job:
    """An order and what has become of it.

    Args:
        name: by which it is known.
        order: what to make.
        folder: where everything of it lies.
        cells: the paths of the files that it names, by column.
    """

    name: str
    order: Order
    folder: Path
    cells: dict[str, Path]
    state: State = "waiting"
    share: float = 0.0
    """Of the images that are done."""
    stage: str = ""
    """What is done at present."""
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    """What the worker says of the images."""

    def describe(self, ahead: int = 0) -> dict[str, Any]:
        """Return the job as JSON; ``ahead`` orders are carried out before it."""
        return {
            "id": self.name, "state": self.state, "share": round(self.share, 4), "stage": self.stage,
            "error": self.error, "ahead": ahead, "order": self.order.describe(), **self.result,
        }  # fmt: skip

    def remove_files(self) -> None:
        """Delete everything that was made."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ("done", "failed", "canceled")


class JobQueue:
    """Every job of one app, in the order in which they came; all its methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._jobs: dict[str, Job] = {}
        self._changed = Condition()
        self._closed = False

    def add(self, order: Order, cells: dict[str, Path]) -> Job:
        """Queue an order.

        Raises:
            RefusedError: too many wait already.
        """
        with self._changed:
            if sum(job.state == "waiting" for job in self._jobs.values()) >= _MOST_WAITING:
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, f"{_MOST_WAITING} orders wait already; try later")
            over = [name for name, job in self._jobs.items() if job.is_over]
            for name in over[: max(0, len(self._jobs) - _MOST_KEPT)]:
                del self._jobs[name]
            name = secrets.token_hex(6)
            job = self._jobs[name] = Job(name, order, self._root / name, cells)
            self._changed.notify_all()
            return job

    def get(self, name: str) -> Job:
        """Return the job of that name.

        Raises:
            RefusedError: there is none.
        """
        job = self._jobs.get(name)
        if job is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such order; it may have been removed")
        return job

    def all(self) -> Sequence[dict[str, Any]]:
        """Return all jobs as JSON, the newest first."""
        with self._changed:
            described, ahead = [], 0
            for job in self._jobs.values():
                described.append(job.describe(ahead))
                ahead += not job.is_over
            return described[::-1]

    def take(self) -> Job | None:
        """Wait for the next job and return it, running; None where the app ends."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                job = next((job for job in self._jobs.values() if job.state == "waiting"), None)
                if job is not None:
                    job.state = "running"
                    return job
                self._changed.wait()

    def update(self, job: Job, state: State, *, error: str = "", result: dict[str, Any] | None = None) -> None:
        """Say what has become of a running job; one that was canceled stays so."""
        with self._changed:
            if job.state == "running":
                job.state, job.error, job.result = state, error, result or {}
            self._changed.notify_all()

    def put_back(self, job: Job) -> None:
        """Let a running job wait again, before those that came later."""
        with self._changed:
            if job.state == "running":
                job.state, job.share, job.stage = "waiting", 0.0, ""

    def cancel(self, job: Job) -> bool:
        """Cancel a job that is not over; return whether it was running."""
        with self._changed:
            was_running = job.state == "running"
            if not job.is_over:
                job.state = "canceled"
            self._changed.notify_all()
            return was_running

    def forget(self, job: Job) -> None:
        """Leave a job that is over out from now on."""
        with self._changed:
            self._jobs.pop(job.name, None)

    def wait_for(self, job: Job, seconds: float | None = None) -> None:
        """Wait until a job is over, the app ends, or so many seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: job.is_over or self._closed, seconds)

    def uploads_used(self) -> frozenset[str]:
        """Return what the uploads are known by that finished images were made from."""
        with self._changed:
            return frozenset(
                group for job in self._jobs.values() if job.state == "done" for group in job.order.files.values()
            )

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
