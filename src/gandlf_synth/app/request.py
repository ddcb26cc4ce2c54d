"""What a request says, read no further than it may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gandlf_synth.app.reply import JSON, RefusedError
from gandlf_synth.errors import DataError
from gandlf_synth.files import parse_json

_MOST_JSON = 2**18


@dataclass(frozen=True)
class Request:
    """A request that was let in.

    Args:
        method: of HTTP.
        parts: of the path behind the token.
        query: the last value of each name.
        kind: the media type of the body.
        length: bytes of the body.
        body: the stream that holds it.
    """

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    kind: str
    length: int
    body: BufferedIOBase

    @classmethod
    def read(cls, method: str, path: str, headers: Mapping[str, str], body: BufferedIOBase) -> "Request":
        """Return the request for ``path``.

        Raises:
            RefusedError: it does not say how long its body is.
        """
        address = urlsplit(path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        parts = tuple(unquote(part) for part in address.path.split("/"))
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        length = headers.get("Content-Length", "0" if method != "POST" else "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in headers:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "the header Content-Length is missing")
        return cls(method, parts, query, kind, int(length), body)

    def json(self) -> dict[str, Any]:
        """Return the mapping in the body.

        Raises:
            RefusedError: it is no JSON, or too long. A page of another site cannot say that it sends JSON without
                asking first.
        """
        if self.kind != JSON:
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send {JSON}")
        if self.length > _MOST_JSON:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"send at most {_MOST_JSON:,} bytes of JSON")
        try:
            return parse_json(self.body.read(self.length), "request")
        except DataError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None
