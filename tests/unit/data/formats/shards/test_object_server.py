"""A store behind a server that is slow, wrong or gone: tried again, then one message; what is there already is kept."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tests.factories import TinyConfig, blob_picture, write_picture, write_pictures_table, write_table

from gandlf_synth import api
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.formats.shards import location
from gandlf_synth.data.formats.shards.index import Store, StoreDescription, StoredFile, open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.loading.stored_samples import StoredSamples
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest, rows_of_store
from gandlf_synth.errors import ConfigError, DataError, GandlfSynthError, ResourceError
from gandlf_synth.training.store_preparation import PreparationRequest

SHARD = 16 * 16 * 4 * 3


class Server:
    """Serves a folder on the loopback; ``faults`` says how often a file is answered wrongly, and how."""

    def __init__(self, folder: Path) -> None:
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        owner = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *words: object) -> None:
                super().__init__(*words, directory=str(folder))

            def log_message(self, *words: object) -> None:
                pass

            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                owner.asked[name] += 1
                faults = owner.faults.get(name, [])
                if not faults:
                    return super().do_GET()
                fault = faults.pop(0)
                if fault.isdigit():
                    return self.send_error(int(fault))
                content = (folder / self.path.lstrip("/")).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = content[: len(content) // 2]
                self.wfile.write(half if fault == "truncated" else half + bytes(len(content) - len(half)))
                self.close_connection = True
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def folder(tiny_config: TinyConfig, tmp_path: Path) -> Path:
    table = write_pictures_table(tmp_path / "data", 9)
    request = PreparationRequest(tiny_config([16, 16]), table, tmp_path / "store", (1, 1), "float32", shard_bytes=SHARD)
    assert api.prepare(request).shards == 3
    return tmp_path / "store"


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(location, "PAUSES", [0.0, 0.0])
    server = Server(folder)
    yield server
    server.stop()


def samples_of(store: Store, local: Path | None, limit: int | None = None) -> StoredSamples:
    return StoredSamples(StoredManifest.of(store), LocalShards(store, local, limit), store.folder)


def test_a_store_behind_a_server_gives_the_voxels_of_the_folder_and_each_shard_is_fetched_once(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    near = samples_of(open_store(store_location(folder), folder), None)
    for _ in range(2):
        far = samples_of(open_store(Location(server.url), tmp_path / "local"), tmp_path / "local")
        far.shards.fetch_ahead([0, 1, 2])
        assert all(np.array_equal(far.voxels(place), near.voxels(place)) for place in range(9))

    assert {name: count for name, count in server.asked.items() if name.endswith(".bin")} == {
        "000000.bin": 1, "000001.bin": 1, "000002.bin": 1, "index.bin": 1, "text.bin": 1
    }  # fmt: skip


@pytest.mark.parametrize("fault", ["500", "truncated", "other bytes"])
def test_an_answer_that_is_wrong_for_a_while_is_asked_for_again(server: Server, tmp_path: Path, fault: str) -> None:
    server.faults = {"000001.bin": [fault, fault], "index.bin": [fault], "images.store": ["500"]}

    samples = samples_of(open_store(Location(server.url), tmp_path / "local"), tmp_path / "local")

    assert [samples.voxels(place).shape for place in range(9)] == [(1, 16, 16)] * 9
    assert server.asked["000001.bin"] == 3


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (
            "500",
            ResourceError,
            "cannot be reached: the server answers 500 Internal Server Error (tried 3 times); see whether",
        ),
        ("403", ResourceError, "may not be read or written: the server answers 403 Forbidden; give credentials"),
        ("404", DataError, "does not exist; see whether the address is right"),
        ("truncated", ResourceError, "cannot be reached: "),
        ("other bytes", DataError, "has another checksum than the index says (tried 3 times); copy the store again"),
    ],
)
def test_an_answer_that_stays_wrong_is_one_message_and_what_was_fetched_is_kept(
    server: Server, tmp_path: Path, fault: str, error: type[GandlfSynthError], message: str
) -> None:
    local = tmp_path / "local"
    samples = samples_of(open_store(Location(server.url), local), local)
    shards = samples.shard_numbers.tolist()
    samples.voxels(shards.index(0))
    server.faults = {"000001.bin": [fault] * 99}

    samples.shards.fetch_ahead([1])
    with pytest.raises(error) as caught:
        samples.voxels(shards.index(1))

    assert f"{server.url}/shards/000001.bin: {message}" in str(caught.value)
    assert [path.name for path in local.rglob("0*.bin")] == ["000000.bin"]
    server.faults = {}
    assert samples.voxels(shards.index(1)).shape == (1, 16, 16)
    assert server.asked["000000.bin"] == 1


def test_a_server_that_is_gone_is_said(server: Server, tmp_path: Path) -> None:
    server.stop()
    with pytest.raises(ResourceError, match=r"images.store: cannot be reached: .* \(tried 3 times\)"):
        open_store(Location(server.url), tmp_path / "local")


def test_copies_stay_within_their_limit_and_come_again(server: Server, tmp_path: Path) -> None:
    local = tmp_path / "local"
    store = open_store(Location(server.url), local)
    size = store.description.shards[0].size
    samples = samples_of(store, local, 2 * size)
    whole = [samples.voxels(place) for place in range(9)]

    assert len(list(local.rglob("0*.bin"))) == 2
    assert all(np.array_equal(samples.voxels(place), whole[place]) for place in reversed(range(9)))
    with pytest.raises(ConfigError, match=r"cache_size: is .* room for two shards or more"):
        LocalShards(store, local, size)


def test_a_copy_that_was_damaged_is_fetched_again_and_a_damaged_store_is_named(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    samples = samples_of(open_store(Location(server.url), local), local)
    whole = samples.voxels(0)
    for copy in local.rglob("0*.bin"):
        copy.write_bytes(bytes(copy.stat().st_size))

    again = samples_of(samples.store, local)
    assert np.array_equal(again.voxels(0), whole)

    for shard in (folder / "shards").glob("*.bin"):
        shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(DataError, match=r"shards/00000\d.bin: is damaged: row 1 has another checksum"):
        samples_of(open_store(store_location(folder), folder), None).voxels(0)


def test_cells_of_a_csv_may_be_urls_and_what_cannot_be_had_is_named(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    for n in range(3):
        write_picture(folder / f"{n}.png", blob_picture(16, n))
    table = write_table(tmp_path / "urls.csv", ("Channel_0",), [(f"{server.url}/{n}.png",) for n in range(3)])

    paths = [sample.channels[0] for sample in read_manifest(table).samples]
    assert [np.array_equal(read_image(path).array[0].T, blob_picture(16, n)) for n, path in enumerate(paths)] == [
        True
    ] * 3
    read_manifest(table)
    assert [server.asked[f"{n}.png"] for n in range(3)] == [1, 1, 1]

    (folder / "0.png").unlink()
    server.faults = {"1.png": ["403"] * 9}
    write_picture(folder / "1.png", blob_picture(16, 7)[:8])
    with pytest.raises(DataError) as caught:
        read_manifest(table)
    problems = [str(problem) for problem in caught.value.problems]
    assert [f"({server.url}/0.png): does not exist" in problems[0], len(problems)] == [True, 2]
    assert f"({server.url}/1.png): may not be read or written: the server answers 403" in problems[1]
    zarr = write_table(tmp_path / "zarr.csv", ("Channel_0",), [(f"{server.url}/a.ome.zarr/0",)])
    with pytest.raises(DataError, match=r"a.ome.zarr/0\): is a folder behind a URL, and only single files are fetched"):
        read_manifest(zarr)
    bucket = write_table(tmp_path / "bucket.csv", ("Channel_0",), [("nowhere://bucket/a.png",)])
    with pytest.raises(DataError, match="nowhere:// is no protocol that fsspec knows"):
        read_manifest(bucket)


def test_the_images_of_a_store_are_read_in_the_units_of_their_files(server: Server, tmp_path: Path) -> None:
    for place in (tmp_path / "store", Path(server.url)):
        rows = rows_of_store(place)
        assert str(rows.path) == str(place).replace(":/1", "://1")
        assert rows.where(rows.samples[0], 0).startswith(str(rows.path))
        for sample in rows.samples:
            original = blob_picture(16, sample.row - 1)
            assert np.allclose(read_image(sample.channels[0]).array[0].T, original, atol=0.1)
        assert scan_files([each.channels[0] for each in rows.samples], tmp_path / "scans")
    with pytest.raises(UnreadableError, match="has no part #9"):
        read_image(tmp_path / "store" / "images.store#9")


def test_threads_read_more_shards_than_a_process_keeps_open(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 64)
    about = StoreDescription(
        kind="images", stored_type="float32", number_type="uint8", spatial_dims=2, num_channels=1, count=100
    )
    about.shards = [StoredFile(name=f"{number}.bin", size=64, checksum=0) for number in range(100)]
    shards = LocalShards(Store(Location(tmp_path), about, tmp_path), None, None)

    def count_other_bytes(seed: int) -> int:
        numbers = np.random.default_rng(seed).integers(100, size=3000).tolist()
        return sum(shards.read(number, 64, 0) != bytes([number]) * 64 for number in numbers)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(count_other_bytes, range(8))) == 0
    finally:
        sys.setswitchinterval(interval)
