"""Who is let in: only a page that this program served, on this computer, with the secret of its address.

The address begins with a random token. A page of another site does not know it; and because a browser tells where a
request comes from (``Host``, ``Origin``, ``Sec-Fetch-Site``), what such a page sends is refused even if it did: forged
requests (CSRF) carry a foreign origin, and a site that gives its name the address 127.0.0.1 (DNS rebinding) a foreign
host.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from gandlf_synth.app.reply import RefusedError

_LONGEST_TARGET = 2048


@dataclass(frozen=True)
class Admission:
    """Lets requests in.

    Args:
        port: on which the server listens.
        token: the secret at the beginning of every path.

    Example:
        >>> Admission(8000, "secret").path_of("/secret/v1/jobs", {"Host": "localhost:8000"})
        'v1/jobs'
    """

    port: int
    token: str

    @property
    def hosts(self) -> frozenset[str]:
        """What this computer is called in requests that are meant for it."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def path_of(self, target: str, headers: Mapping[str, str]) -> str:
        """Return what a request asks for, without the token.

        Args:
            target: the path with its query, as the request has it.
            headers: of the request.

        Raises:
            RefusedError: it comes from elsewhere.
        """
        host = headers.get("Host", "")
        if host not in self.hosts:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "this page is for this computer only; open the address that the terminal shows"
            )
        origin = headers.get("Origin")
        if origin is not None and origin not in {f"http://{name}" for name in self.hosts}:
            raise RefusedError(HTTPStatus.FORBIDDEN, "requests from other pages are refused")
        foreign = headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if foreign and headers.get("Sec-Fetch-Mode") != "navigate":
            raise RefusedError(HTTPStatus.FORBIDDEN, "requests from other pages are refused")
        token, slash, path = target.removeprefix("/").partition("/")
        known = hmac.compare_digest(token.encode(), self.token.encode())
        if not (known and slash) or len(target) > _LONGEST_TARGET:
            raise RefusedError(HTTPStatus.NOT_FOUND, "not found; the address is the one that the terminal shows")
        return path
