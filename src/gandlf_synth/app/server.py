"""The HTTP server of the page: bound to this computer, with limits on everything that a request may cost."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any

from gandlf_synth.app.admission import Admission
from gandlf_synth.app.reply import RefusedError, Reply
from gandlf_synth.app.request import Request
from gandlf_synth.errors import GandlfSynthError, Problem, ResourceError

HOST = "127.0.0.1"
_MOST_CONNECTIONS = 48
_PATIENCE = 30.0
"""Seconds that a connection may be silent."""
_DRAIN_BYTES, _DRAIN_SECONDS = 2**20, 0.3
_BUSY = b'HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\n\r\n{"error": "too many requests at a time"}'
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; frame-src 'self'; font-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Answer = Callable[[Request], Reply]


class PageServer(ThreadingHTTPServer):
    """Answers requests of this computer, a bounded number at a time.

    Args:
        port: to listen on; 0: a free one.
        token: the secret of the address.

    Raises:
        ResourceError: the port is taken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, token: str) -> None:
        self._places = BoundedSemaphore(_MOST_CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            what = f"cannot be used: {error.strerror}"
            raise ResourceError(Problem(f"--port {port}", what, fix="name another, or leave it out")) from error
        self.admission = Admission(self.server_port, token)
        self.answer: Answer = lambda _: Reply()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread of its own, or turn it away where there are too many."""
        if not self._places.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for another connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that broke off."""


class _Handler(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    server: PageServer
    timeout = _PATIENCE
    server_version = "gandlf-synth"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        headers = {name.title(): value for name, value in self.headers.items()}
        refused = False
        try:
            path = self.server.admission.path_of(self.path, headers)
            reply = self.server.answer(Request.read(self.command, path, headers, self.rfile))
        except RefusedError as error:
            reply, refused = error.reply, True
        except GandlfSynthError as error:
            reply = Reply.of_json({"error": str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY)
        with suppress(OSError):
            self._send(reply)
            if refused and self.command == "POST":
                self._drain()

    def _drain(self) -> None:
        """Read some of a body that nobody wanted: closed before, the connection would take the answer with it."""
        self.connection.settimeout(_DRAIN_SECONDS)
        self.rfile.read(_DRAIN_BYTES)

    def _send(self, reply: Reply) -> None:
        size = len(reply.body) if reply.file is None else reply.file.stat().st_size
        self.send_response(reply.status)
        own = {"Content-Type": reply.kind, "Content-Length": str(size), "Connection": "close"}
        for name, value in {**_HEADERS, **own, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.file is None:
            self.wfile.write(reply.body)
            return
        with reply.file.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no HTTP, or a method that nothing takes, in one line."""
        self.close_connection = True
        status = HTTPStatus(code)
        with suppress(OSError):
            self._send(Reply.of_json({"error": status.phrase.lower()}, status))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the terminal free: the address holds the secret."""
