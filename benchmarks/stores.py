"""What the index of a store costs by the number of rows, and a start of training from it; part of ``benchmarks.scale``.

The store is made up: its rows are a million different ones of which every thousandth shares its voxels, so that what is
measured is the cost of a row. Memory is told apart as the kernel does: what all processes of a machine share (pages of
the mapped index), and what each has for itself.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.rows import PROGRAM, STOP_AT_FIRST_STEP, TINY, cost_of, write_noise
from gandlf_synth.data.formats.shards.index import IndexPart, StoreDescription, read_description, text_of, write_index
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.training.store_preparation import PreparationRequest, prepare_store

_IMAGES, _SIZE, _RANKS = 1000, 8, 8
_PROBE = """\
import json, sys, time
from pathlib import Path
import torch
from gandlf_synth.training.stored_data import read_store
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.order import EpochOrder, EpochSampler
from gandlf_synth.data.loading.stored_samples import StoredSamples
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.loading.value_range import fit_value_range
def memory():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"private": kib["Anonymous"] / 1024, "shared": (kib["Rss"] - kib["Anonymous"]) / 1024}
before, started = memory(), time.process_time()
rows = read_store(Path(sys.argv[1]), None)
samples = StoredSamples(rows, LocalShards(rows.store, None, None), Path(sys.argv[1]))
dataset = PreparedDataset(samples, fit_value_range(samples), encode_rows(rows.samples, ()))
opened = time.process_time() - started
keys = iter(EpochSampler(EpochOrder(len(dataset), 0, True)))
for _ in range(50):
    dataset.__getitems__([next(keys) for _ in range(16)])
int(samples.store.rows["row"].astype("i8").sum())  # every page of the index
after = memory()
print(json.dumps({"open_cpu_seconds": opened, **{f"{k}_mib": after[k] - before[k] for k in after}}))
"""


_PAIRS = TINY.replace("model_config:\n", "model_config:\n  conditioning: [image]\n")
"""The configuration of a model that makes an image from the one beside it."""


def measure_stores(counts: Sequence[int]) -> dict[str, Any]:
    """Return what stores of so many rows cost."""
    load = os.getloadavg()[0]
    setting = {"image": f"{_SIZE}×{_SIZE}, float16", "cores": os.cpu_count(), "load_average_at_start": load}
    return {"setting": setting, "runs": [_measure(count) for count in counts]}


def _measure(count: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.yaml").write_text(TINY)
        (root / "stop.py").write_text(STOP_AT_FIRST_STEP)
        store = _made_up(root, count)
        probe = subprocess.run([sys.executable, "-c", _PROBE, str(store)], capture_output=True, text=True, check=True)
        memory = json.loads(probe.stdout.splitlines()[-1])
        source = ("-c", root / "config.yaml", "-dt", store)
        words = ("train", "--plugin", root / "stop.py", *source, "-m-dir", root / "one")
        files = [path.stat().st_size for path in (store / "index.bin", store / "text.bin")]
        return {
            "rows": count,
            "index_bytes_per_row": sum(files) / count,
            "imports": cost_of(root, sys.executable, "-c", "import gandlf_synth.training.fit"),
            "train to the first step": cost_of(root, *PROGRAM, *words),
            "check --fast": cost_of(root, *PROGRAM, "check", "--fast", *source),
            "pairs": _measure_pairs(count),
            **{name: round(value, 2) for name, value in memory.items()},
            f"mib_on_a_machine_with_{_RANKS}_processes": round(
                memory["shared_mib"] + _RANKS * memory["private_mib"], 1
            ),
        }


def _measure_pairs(count: int) -> dict[str, Any]:
    """Return what the same commands take where every row has a source."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.yaml").write_text(_PAIRS)
        (root / "stop.py").write_text(STOP_AT_FIRST_STEP)
        source = ("-c", root / "config.yaml", "-dt", _made_up(root, count, ("Channel_0", "Source_0")))
        words = ("train", "--plugin", root / "stop.py", *source, "-m-dir", root / "one")
        return {
            "train to the first step": cost_of(root, *PROGRAM, *words),
            "check --fast": cost_of(root, *PROGRAM, "check", "--fast", *source),
        }


def _made_up(root: Path, count: int, columns: Sequence[str] = ("Channel_0",)) -> Path:
    """Return a store of ``count`` rows whose voxels are those of a thousand images for each column."""
    from rich.console import Console

    table = write_noise(root, _IMAGES, (_SIZE, _SIZE), columns)
    store, quiet = root / "store", Console(quiet=True)
    prepare_store(PreparationRequest(root / "config.yaml", table, store), quiet)
    part = IndexPart.from_bytes((store / "shards" / "000000.part").read_bytes(), "the part")
    rows = np.resize(part.rows, count)
    rows["row"] = np.arange(1, count + 1)
    rows["key"] = [b"%016x" % number for number in range(count)]
    texts = [text_of(f"subject-{number:08d}", None, {}) for number in range(count)]
    whole = IndexPart(rows, texts, [], part.largest_error, part.square_error, part.size, part.checksum)
    about: StoreDescription = read_description(Location(store))
    write_index(Location(store), about, [whole], count)
    return store
