"""Google's and Azure's storage: what is written comes back, and a server that fails or refuses is asked as often as we say.

The first wants an emulator each (``gcp-storage-emulator`` from PyPI, ``azurite`` from npm); the second answers by itself.
"""

import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
from tests.processes import free_port

from gandlf_synth.data.formats.shards import location
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.formats.shards.transport import connect
from gandlf_synth.errors import DataError, ResourceError

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the emulator, the same everywhere."""
WORDS = {
    "gs": b'{"error": {"code": 503, "message": "in words"}}',
    "az": b'<?xml version="1.0"?><Error><Code>ServerBusy</Code><Message>in words</Message></Error>',
}
CONTENT = b"0123456789"
CLOUDS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"))
    for name, package in (("gs", "gcsfs"), ("az", "adlfs"))
]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "PAUSES", [0.0, 0.0])


def point_at(cloud: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library of a cloud talk to a server of this machine."""
    url = f"http://127.0.0.1:{port}"
    text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)


@contextmanager
def emulator(cloud: str, port: int) -> Iterator[None]:
    if cloud == "gs":
        server = import_module("gcp_storage_emulator.server").create_server("127.0.0.1", port, in_memory=True)
        server.start()
        yield
        server.stop()
        return
    words = ["azurite-blob", "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_written_to_a_cloud_comes_back(cloud: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = find_spec("gcp_storage_emulator") is None if cloud == "gs" else which("azurite-blob") is None
    if missing:
        pytest.skip("no emulator")
    port = free_port()
    point_at(cloud, port, monkeypatch)
    with emulator(cloud, port):
        connect(f"{cloud}://bucket").mkdir("bucket")
        place, copy = Location(f"{cloud}://bucket/a"), tmp_path / "copy"
        copy.write_bytes(CONTENT)

        place.write("x.bin", CONTENT)
        place.upload(copy, "s/y.bin")
        place.download("x.bin", copy, 10, zlib.crc32(CONTENT))

        assert [place.read("s/y.bin"), copy.read_bytes()] == [CONTENT, CONTENT]
        assert [place.has("x.bin"), place.has("z.bin"), place.names("s")] == [True, False, {"y.bin"}]
        place.remove("s")
        assert place.names("s") == set()
        with pytest.raises(DataError, match=r"bucket/a/none: does not exist; see whether the address"):
            place.read("none")
        with pytest.raises(DataError, match="x: is in a bucket that does not exist; make the bucket"):
            Location(f"{cloud}://nobucket/a").write("x", CONTENT)


class Refusing:
    """A server that answers everything with one status, and counts."""

    def __init__(self, cloud: str, status: int) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(WORDS[cloud])))
                self.send_header("Content-Type", "application/json" if cloud == "gs" else "application/xml")
                self.end_headers()
                self.wfile.write(WORDS[cloud])

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_words: object) -> None:
                pass

        self.asked, self.server = asked, ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def refusing() -> Iterator[Callable[[str, int], Refusing]]:
    servers: list[Refusing] = []

    def begin(cloud: str, status: int) -> Refusing:
        servers.append(Refusing(cloud, status))
        return servers[-1]

    yield begin
    for each in servers:
        each.server.shutdown()
        each.server.server_close()


VARIABLES = {"gs": "GOOGLE_APPLICATION_CREDENTIALS", "az": "AZURE_STORAGE_CONNECTION_STRING"}
STATUSES = [
    (503, 3, r"cannot be reached: the server answers 503 in words.* \(tried 3 times\)"),
    (403, 1, "may not be read or written: .*; give credentials as the tools of this storage take them, such as "),
]


@pytest.mark.parametrize(("status", "attempts", "message"), STATUSES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_that_fails_or_refuses_is_one_message_after_our_attempts(
    cloud: str, status: int, attempts: int, message: str,
    refusing: Callable[[str, int], Refusing], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    server, place = refusing(cloud, status), Location(f"{cloud}://bucket/a")
    point_at(cloud, server.server.server_address[1], monkeypatch)
    uses: list[Callable[[], object]] = [
        lambda: place.read("x"),
        lambda: place.download("x", tmp_path / "x", 10, 1),
        lambda: place.write("x", CONTENT),
    ]
    for use in uses:
        server.asked.clear()
        with pytest.raises(ResourceError, match=f"{cloud}://bucket/a/x: {message}") as caught:
            use()
        assert len(server.asked) == attempts
        assert status == 503 or VARIABLES[cloud] in str(caught.value)


def test_a_cloud_without_an_account_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("adlfs")
    for name in ("CONNECTION_STRING", "ACCOUNT_NAME"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
    with pytest.raises(
        ResourceError, match=r"az://bucket/a: may not be read or written: .*AZURE_STORAGE_CONNECTION_STRING"
    ):
        Location("az://bucket/a").read("x")
