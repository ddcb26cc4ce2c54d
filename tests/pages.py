"""The page of ``gandlf-synth app``, asked as a browser or another program asks it."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

from gandlf_synth.app.run import App
from gandlf_synth.app.worker_process import WorkerOptions


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Page:
    """A running app, asked as a browser or another program asks it."""

    url: str
    output: Path

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 0)

    def ask(
        self, path: str = "", method: str = "GET", content: object = None, *, raw: str | None = None, **headers: str
    ) -> Answer:
        """Ask for a path behind the secret, or for ``raw`` as it is; ``content`` goes as JSON, or as bytes."""
        body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        kind = {"Content-Type": "application/octet-stream" if isinstance(content, bytes) else "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, raw or urlsplit(self.url).path + path, body, {**(kind if body else {}), **named})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def upload(self, path: Path) -> str:
        answer = self.ask(f"v1/uploads?name={path.name}", "POST", path.read_bytes())
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    def order(self, **order: object) -> dict[str, Any]:
        """Order images; return the job once it is over."""
        answer = self.ask("v1/jobs", "POST", order)
        assert answer.status == 201, answer.body
        return self.ended(answer.json["id"])

    def ended(self, job: str) -> dict[str, Any]:
        described: dict[str, Any] = {"state": "waiting"}
        while described["state"] in ("waiting", "running"):
            described = self.ask(f"v1/jobs/{job}?wait=30").json
        return described


@contextmanager
def running(model: Path, output: Path) -> Iterator[Page]:
    """Give the running page of a model."""
    app = App(WorkerOptions(model), output)
    ready = Event()
    serving = Thread(target=app.serve, args=(lambda _: ready.set(),), daemon=True)
    serving.start()
    ready.wait(10)
    yield Page(app.url, app.output)
    app.close()
    serving.join(10)
