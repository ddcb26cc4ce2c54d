"""How near reading from a store behind an HTTP server comes to reading from a folder; part of ``benchmarks.scale``.

A step of a GPU is a pause of fixed length after each batch, during which shards may come in. Local reading, the first
epoch from the server and the next one are measured in turn, in one process; the server is a process of its own on the
loopback, which sends no faster than it may, all connections together.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.rows import TINY, write_noise
from gandlf_synth.data.formats.shards.index import open_store
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.order import EpochOrder, EpochSampler
from gandlf_synth.data.loading.stored_samples import StoredSamples
from gandlf_synth.data.loading.value_range import fit_value_range
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.training.store_preparation import PreparationRequest, prepare_store

_SIZE, _IMAGES, _BATCH, _STEP, _WINDOW = 64, 1024, 16, 0.1, 4
_SHARD = 256 * 1024
LIMITS = (None, 4.0, 1.5, 1.1, 0.5)
"""What the server sends at most, in shares of what training asks for; None: as fast as it can."""
_SERVER = """\
import sys, threading, time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
limit, lock, free = float(sys.argv[2]), threading.Lock(), [time.monotonic()]
class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *words):
        pass
    def copyfile(self, source, target):
        while piece := source.read(16384):
            if limit:
                with lock:
                    free[0] = max(free[0], time.monotonic()) + len(piece) / limit
                    wait = free[0] - time.monotonic()
                time.sleep(max(0, wait))
            target.write(piece)
server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=sys.argv[1]))
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def measure_remote() -> dict[str, Any]:
    """Return the seconds of an epoch from a folder and from servers, and the shares of local speed."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        store = _write_store(root)
        size = sum(path.stat().st_size for path in (store / "shards").glob("*.bin"))
        wanted = size / (_IMAGES / _BATCH * _STEP)
        setting = {
            "images": f"{_IMAGES} of {_SIZE}×{_SIZE}, float16", "batch": _BATCH, "seconds_of_a_step": _STEP,
            "megabytes": round(size / 1e6, 2), "megabytes_per_second_asked_for": round(wanted / 1e6, 3),
            "cores": os.cpu_count(), "load_average_at_start": os.getloadavg()[0],
        }  # fmt: skip
        return {"setting": setting, "runs": [_measure(root, store, limit, wanted) for limit in LIMITS]}


def _measure(root: Path, store: Path, limit: float | None, wanted: float) -> dict[str, Any]:
    local = _epoch_seconds(_dataset(Location(store), None), 0)
    with TemporaryDirectory(dir=root) as copies, serve(store, (limit or 0) * wanted) as url:
        dataset = _dataset(Location(url), Path(copies))
        first, warm = (_epoch_seconds(dataset, epoch) for epoch in (0, 1))
    return {
        "server_sends_of_what_is_asked": limit or "no limit",
        "local_seconds": round(local, 2), "first_seconds": round(first, 2), "warm_seconds": round(warm, 2),
        "first_of_local": round(local / first, 3), "warm_of_local": round(local / warm, 3),
    }  # fmt: skip


def _dataset(location: Location, copies: Path | None) -> PreparedDataset:
    store = open_store(location, copies or Path(str(location)))
    rows = StoredManifest.of(store)
    samples = StoredSamples(rows, LocalShards(store, copies, None), store.folder)
    return PreparedDataset(samples, fit_value_range(samples), encode_rows(rows.samples, ()))


def _epoch_seconds(dataset: PreparedDataset, epoch: int) -> float:
    order = EpochOrder(len(dataset), 0, True, dataset.shards, _WINDOW)
    dataset.follow(order)
    sampler = EpochSampler(order)
    sampler.set_epoch(epoch)
    keys = list(sampler)
    started = time.perf_counter()
    for begin in range(0, len(keys), _BATCH):
        dataset.__getitems__(keys[begin : begin + _BATCH])
        time.sleep(_STEP)
    return time.perf_counter() - started


@contextmanager
def serve(folder: Path, limit: float) -> Iterator[str]:
    """Serve a folder on the loopback, with at most ``limit`` bytes a second (0: no limit); yield its URL."""
    words = [sys.executable, "-c", _SERVER, str(folder), str(limit)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _write_store(root: Path) -> Path:
    table = write_noise(root, _IMAGES, (_SIZE, _SIZE))
    (root / "config.yaml").write_text(TINY.replace("[8, 8]\n  architecture", f"[{_SIZE}, {_SIZE}]\n  architecture"))
    request = PreparationRequest(root / "config.yaml", table, root / "store", shard_bytes=_SHARD)
    prepare_store(request, Console(quiet=True))
    return root / "store"
