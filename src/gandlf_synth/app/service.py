"""What each address of the page does; ``docs/how-to/app.md`` says it for people who write programs."""

import re
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

from gandlf_synth.app.archive import write_archive
from gandlf_synth.app.engine import Engine
from gandlf_synth.app.jobs import Job, JobQueue
from gandlf_synth.app.order import MOST_IMAGES, Order
from gandlf_synth.app.previous_reports import find_reports
from gandlf_synth.app.reply import RefusedError, Reply
from gandlf_synth.app.request import Request
from gandlf_synth.app.training_state import describe_training, grid_file
from gandlf_synth.app.uploads import LARGEST, MOST_FILES, Uploads
from gandlf_synth.model_folder import ModelFolder

_PACKAGE = files("gandlf_synth")
_PAGE = _PACKAGE / "app" / "page"
_VENDOR = _PACKAGE / "evaluation" / "report" / "vendor"
_VIEWER, _VIEWER_LICENSE = "niivue-0.69.0.umd.js.gz", "niivue.LICENSE.txt"
_KINDS = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".png": "image/png", ".json": "application/json", ".gz": "application/gzip", ".zip": "application/zip",
}  # fmt: skip
_LONGEST_WAIT = 600
"""Seconds that a request may wait for a job."""
_BINARY = "application/octet-stream"
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; connect-src data: blob:"
)
"""Of reports: whoever wrote one, it cannot read the address of the page or send anything anywhere."""


class Service:
    """Answers requests.

    Args:
        folder: the model folder.
        queue: the orders of all browsers.
        uploads: the files that they gave.
        engine: carries the orders out.
    """

    def __init__(self, folder: ModelFolder, queue: JobQueue, uploads: Uploads, engine: Engine) -> None:
        self._folder, self._queue, self._uploads, self._engine = folder, queue, uploads, engine
        self._archiving = Lock()
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Reply]]] = [
            (method, re.compile(pattern), answer)
            for method, pattern, answer in (
                ("GET", r"", self._index),
                ("GET", r"page/([\w.-]+)", self._asset),
                ("GET", r"v1/model", self._model),
                ("GET", r"v1/jobs", self._jobs),
                ("POST", r"v1/jobs", self._order),
                ("GET", r"v1/jobs/(\w+)", self._job),
                ("DELETE", r"v1/jobs/(\w+)", self._remove),
                ("GET", r"v1/jobs/(\w+)/files/(.+)", self._file),
                ("GET", r"v1/jobs/(\w+)/pictures/(.+)", self._picture),
                ("GET", r"v1/jobs/(\w+)/archive\.zip", self._archive),
                ("POST", r"v1/uploads", self._upload),
                ("POST", r"v1/generate", self._generate),
                ("GET", r"v1/training", self._training),
                ("GET", r"v1/training/([\w.-]+)", self._grid),
                ("GET", r"v1/reports", self._reports),
                ("GET", r"v1/reports/(\d+)", self._report),
            )
        ]

    def __call__(self, request: Request) -> Reply:
        """Return the answer to a request.

        Raises:
            RefusedError: there is nothing at that address, or it cannot be done.
        """
        path = "/".join(request.parts)
        for method, pattern, answer in self._routes:
            match = pattern.fullmatch(path)
            if match and method == request.method:
                return answer(request, *match.groups())
        raise RefusedError(HTTPStatus.NOT_FOUND, "not found")

    def _index(self, request: Request) -> Reply:
        return self._asset(request, "index.html")

    def _asset(self, request: Request, name: str) -> Reply:
        if name == "niivue.js":
            unpacked_by_browser = {"Content-Encoding": "gzip", "Cache-Control": "private, max-age=86400"}
            return Reply((_VENDOR / _VIEWER).read_bytes(), _KINDS[".js"], headers=unpacked_by_browser)
        if name == _VIEWER_LICENSE:
            return Reply((_VENDOR / name).read_bytes())
        asset = next((each for each in _PAGE.iterdir() if each.name == name), None)
        if asset is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "not found")
        return Reply(asset.read_bytes(), _kind_of(name))

    def _model(self, request: Request) -> Reply:
        model_dir = str(self._folder.root.absolute())
        limits = {"largest_file": LARGEST, "most_files": MOST_FILES, "most_images": MOST_IMAGES}
        return Reply.of_json({**self._engine.model, "model_dir": model_dir, **limits})

    def _jobs(self, request: Request) -> Reply:
        return Reply.of_json({"jobs": self._queue.all()})

    def _job(self, request: Request, name: str) -> Reply:
        job, patience = self._queue.get(name), request.query.get("wait", "")
        if patience.isascii() and patience.isdigit():
            self._queue.wait_for(job, min(int(patience), _LONGEST_WAIT))
        return Reply.of_json(job.describe())

    def _order(self, request: Request) -> Reply:
        return Reply.of_json(self._queued(Order.parse(request.json())).describe(), HTTPStatus.CREATED)

    def _queued(self, order: Order) -> Job:
        return self._queue.add(order, {column: self._uploads.path(group) for column, group in order.files.items()})

    def _remove(self, request: Request, name: str) -> Reply:
        job = self._queue.get(name)
        if job.is_over:
            self._queue.forget(job)
            job.remove_files()
        else:
            self._engine.cancel(job)
        return Reply.of_json(job.describe())

    def _upload(self, request: Request) -> Reply:
        if request.kind != _BINARY:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {_BINARY}")
        name, group = request.query.get("name", ""), request.query.get("to")
        return Reply.of_json({"id": self._uploads.add(name, request.length, request.body, group)}, HTTPStatus.CREATED)

    def _generate(self, request: Request) -> Reply:
        """Make one image and answer with its file, for programs that wait for it."""
        order = Order.parse({"format": "nifti", **request.json()})
        if order.number != 1 or order.n_samples != 1:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "number: one image at a time; use v1/jobs for more")
        job = self._queued(order)
        self._queue.wait_for(job)
        if job.state != "done":
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, job.error or job.state)
        written = [self._made(job, name) for name in job.result["images"][0]["files"]]
        if len(written) > 1 or written[0].is_dir():
            return self._archive(request, job.name)
        return Reply.of_file(written[0], _kind_of(written[0].name), saved_as=written[0].name)

    def _file(self, request: Request, job_name: str, name: str) -> Reply:
        job = self._queue.get(job_name)
        names = [file for image in job.result.get("images", []) for file in image["files"]]
        names += [shown["file"] for shown in job.result.get("maps", [])]
        path = self._made(job, name)
        if name not in (*names, "contact_sheet.png") or not path.exists():
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such file")
        if path.is_dir():  # the slices of a DICOM series
            with self._archiving:
                path = write_archive(job.folder / f"{name}.zip", path)
        return Reply.of_file(path, _kind_of(path.name), saved_as=path.name)

    def _made(self, job: Job, name: str) -> Path:
        return job.folder / str(job.result["output"]) / name if job.result else Path()

    def _picture(self, request: Request, job_name: str, name: str) -> Reply:
        folder = self._queue.get(job_name).folder / "pictures"
        path = next((path for path in folder.glob("*") if path.name == name), None)
        if path is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such picture")
        return Reply.of_file(path, _kind_of(name))

    def _archive(self, request: Request, job_name: str) -> Reply:
        job = self._queue.get(job_name)
        if job.state != "done":
            raise RefusedError(HTTPStatus.NOT_FOUND, "the images are not made yet; ask again later")
        with self._archiving:
            archive = write_archive(job.folder / "archive.zip", self._made(job, ""), str(job.result["command"]))
        return Reply.of_file(archive, _KINDS[".zip"], saved_as=f"{self._folder.root.resolve().name}_{job.name}.zip")

    def _training(self, request: Request) -> Reply:
        return Reply.of_json(describe_training(self._folder))

    def _grid(self, request: Request, name: str) -> Reply:
        path = grid_file(self._folder, name)
        if path is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such grid")
        return Reply.of_file(path, _kind_of(name))

    def _reports(self, request: Request) -> Reply:
        reports: list[dict[str, Any]] = [
            {"path": str(report.path), "of_this_model": report.of_this_model, "verdicts": report.verdicts}
            for report in find_reports(self._folder.root)
        ]
        return Reply.of_json({"reports": reports})

    def _report(self, request: Request, number: str) -> Reply:
        reports = find_reports(self._folder.root)
        if int(number) >= len(reports):
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such report")
        headers = {"Content-Security-Policy": _REPORT_POLICY}
        return Reply(kind=_KINDS[".html"], file=reports[int(number)].path, headers=headers)


def _kind_of(name: str) -> str:
    return _KINDS.get(Path(name).suffix, _BINARY)
