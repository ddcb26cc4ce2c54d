"""What the page's server answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """An answer.

    Args:
        body: its content.
        kind: the media type.
        status: of HTTP.
        file: is sent instead of ``body``.
        headers: further ones.
    """

    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    status: int = HTTPStatus.OK
    file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, content: object, status: int = HTTPStatus.OK) -> "Reply":
        """Return ``content`` as JSON."""
        return cls(json.dumps(content).encode(), JSON, status)

    @classmethod
    def of_file(cls, file: Path, kind: str, *, saved_as: str = "") -> "Reply":
        """Return a file, which a browser saves under a name of ASCII letters where one is given."""
        headers = {"Content-Disposition": f'attachment; filename="{_ascii(saved_as)}"'} if saved_as else {}
        return cls(kind=kind, file=file, headers=headers)


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        message: one short sentence.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)

    @property
    def reply(self) -> Reply:
        """What the caller is told."""
        return Reply.of_json({"error": self.message}, self.status)


def _ascii(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_. ") else "_" for letter in name)
