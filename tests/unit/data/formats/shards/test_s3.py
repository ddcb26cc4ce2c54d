"""A store in a bucket of S3, played by moto on the loopback: made, read, refused, and answered wrongly for a while."""

import threading
import zlib
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.factories import TinyConfig, write_pictures_table

from gandlf_synth import api
from gandlf_synth.data.formats.shards import location
from gandlf_synth.data.formats.shards.index import open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.loading.stored_samples import StoredSamples
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import DataError, ResourceError
from gandlf_synth.training.store_preparation import PreparationRequest

moto_server = pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")
serving = pytest.importorskip("werkzeug.serving")
pytest.importorskip("s3fs")
STORE = "s3://bucket/a/store"
CODES = {"500": "InternalError", "403": "AccessDenied", "404": "NoSuchKey", "503": "SlowDown"}


class Bucket:
    """S3 with one bucket; ``faults`` says how often a file is answered wrongly, and how."""

    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = {}
        self._application = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
        self._server = serving.make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def forget(self) -> None:
        """Remove what earlier servers of this process were given: all have one memory."""
        connection = HTTPConnection("127.0.0.1", self._server.server_port)
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == 200

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: dict[str, Any], begin: Any) -> Iterable[bytes]:
        faults = self.faults.get(request["PATH_INFO"].rsplit("/", 1)[-1], [])
        if not faults or request["REQUEST_METHOD"] != "GET":
            return self._application(request, begin)
        fault = faults.pop(0)
        if fault.isdigit():
            begin(f"{fault} Wrong", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{CODES[fault]}</Code><Message>in words</Message></Error>".encode()]
        content = b"".join(self._application(request, begin))
        half = content[: len(content) // 2]
        return [half if fault == "truncated" else half + bytes(len(content) - len(half))]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    bucket = Bucket()
    monkeypatch.setattr(location, "PAUSES", [0.0, 0.0])
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.url)
    bucket.forget()
    boto3.client("s3").create_bucket(Bucket="bucket")
    yield bucket
    bucket.stop()


@pytest.fixture
def folder(tiny_config: TinyConfig, tmp_path: Path) -> Path:
    """The store of nine pictures in a folder."""
    prepare(tiny_config, tmp_path, tmp_path / "store")
    return tmp_path / "store"


def samples_of(place: Path | str, local: Path | None) -> StoredSamples:
    store = open_store(store_location(place), local or Path(place))
    return StoredSamples(StoredManifest.of(store), LocalShards(store, local, None), store.folder)


def prepare(tiny_config: TinyConfig, root: Path, place: Path) -> None:
    table = write_pictures_table(root / "data", 9)
    api.prepare(PreparationRequest(tiny_config([16, 16]), table, place, (1, 1), "float32", shard_bytes=16 * 16 * 4 * 3))


def test_a_store_in_a_bucket_is_that_of_a_folder(
    bucket: Bucket, folder: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    prepare(tiny_config, tmp_path, Path(STORE))
    prepare(tiny_config, tmp_path, Path(STORE))

    far = samples_of(STORE, tmp_path / "local")

    near = samples_of(folder, None)
    assert all(np.array_equal(far.voxels(place), near.voxels(place)) for place in range(9))
    assert Location(STORE).read("index.bin") == (folder / "index.bin").read_bytes()
    assert Location(STORE).names("shards") == {path.name for path in (folder / "shards").iterdir()}


@pytest.mark.parametrize("fault", ["500", "503", "truncated", "other bytes"])
def test_what_a_bucket_answers_wrongly_for_a_while_is_asked_for_again(
    bucket: Bucket, tiny_config: TinyConfig, tmp_path: Path, fault: str
) -> None:
    prepare(tiny_config, tmp_path, Path(STORE))
    bucket.faults = {"000001.bin": [fault, fault], "index.bin": [fault]}

    samples = samples_of(STORE, tmp_path / "local")

    assert [samples.voxels(place).shape for place in range(9)] == [(1, 16, 16)] * 9
    assert bucket.faults == {"000001.bin": [], "index.bin": []}


@pytest.mark.parametrize(
    ("fault", "attempts", "message"),
    [
        ("500", 3, "cannot be reached: in words (tried 3 times); see whether the server"),
        ("503", 3, "cannot be reached: "),
        ("403", 1, "may not be read or written: in words; give credentials as the tools of this storage take them"),
        ("404", 1, "does not exist; see whether the address is right"),
        ("truncated", 3, "cannot be reached: Response payload is not completed"),
        ("other bytes", 3, "cannot be reached: Expected checksum"),
    ],
)
def test_what_a_bucket_goes_on_answering_wrongly_is_one_message_after_few_attempts(
    bucket: Bucket, tmp_path: Path, fault: str, attempts: int, message: str
) -> None:
    place = Location(STORE)
    place.write("x.bin", b"0123456789")
    bucket.faults = {"x.bin": [fault] * 99}

    with pytest.raises((ResourceError, DataError)) as caught:
        place.download("x.bin", tmp_path / "x.bin", 10, zlib.crc32(b"0123456789"))

    assert f"{STORE}/x.bin: {message}" in str(caught.value)
    assert bucket.faults["x.bin"] == [fault] * (99 - attempts)
    assert not (tmp_path / "x.bin").exists()


def test_a_missing_bucket_and_missing_credentials_are_named_at_once(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="s3://none/a: is in a bucket that does not exist; make the bucket"):
        Location("s3://none").write("a", b"0")
    with pytest.raises(DataError, match="s3://bucket/a: does not exist; see whether the address"):
        Location("s3://bucket").read("a")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(ResourceError, match="may not be read or written: Unable to locate credentials; give"):
        Location("s3://bucket").read("a")
