"""The cache survives damage and company, and stays within its size."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.factories import blob, write_nifti

from gandlf_synth.data.loading import cache as cache_module
from gandlf_synth.data.loading.cache import shrink
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample

PIPELINE = Pipeline((), (1,), (8, 8))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    paths = [write_nifti(tmp_path / f"{index}.nii.gz", blob((8, 8), index)) for index in range(12)]
    samples = tuple(Sample(index + 1, f"s{index}", (path,)) for index, path in enumerate(paths))
    return Manifest(tmp_path / "data.csv", samples, "each row")


def folder_of(cache: Path, name: str, age: int) -> Path:
    folder = cache / f"prepared-{name}"
    folder.mkdir(parents=True)
    (folder / "a.npy").write_bytes(b"x" * 1000)
    (folder / "used").touch()
    os.utime(folder / "used", (1e9 - age, 1e9 - age))
    return folder


PREPARE_ALL = """
import sys
from pathlib import Path
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.loading.store import prepare

images, cache = map(Path, sys.argv[1:])
samples = tuple(Sample(i + 1, f"s{i}", (images / f"{i}.nii.gz",)) for i in range(12))
prepare(Manifest(images / "data.csv", samples, "each row"), Pipeline((), (1,), (8, 8)), cache)
"""


def in_another_process(code: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_fill_one_cache_at_once_share_the_work(manifest: Manifest, tmp_path: Path) -> None:
    both = [in_another_process(PREPARE_ALL, tmp_path, tmp_path / "shared") for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)

    assert [process.returncode for process in both] == [0, 0]
    (voxels,) = (tmp_path / "shared").rglob("*.bin")
    assert voxels.stat().st_size == 12 * 8 * 8 * 4
    found, alone = (prepare(manifest, PIPELINE, tmp_path / name) for name in ("shared", "alone"))
    assert all(np.array_equal(found.voxels(place), alone.voxels(place)) for place in range(12))


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    old, middle, new = (folder_of(tmp_path, name, age) for name, age in (("a", 30), ("b", 20), ("c", 10)))

    shrink(tmp_path, 1500)

    assert [folder.exists() for folder in (old, middle, new)] == [False, False, True]


LEASE_UNTIL_TOLD = """
import os, sys
from pathlib import Path
from gandlf_synth.data.loading.cache import lease

folder = Path(sys.argv[1])
lease(folder)
os.utime(folder / "used", (0, 0))
print("leased", flush=True)
sys.stdin.read()
"""


def test_what_a_live_run_uses_stays_and_goes_once_it_has_ended(tmp_path: Path) -> None:
    old, new = folder_of(tmp_path, "a", 30), folder_of(tmp_path, "b", 10)
    run = in_another_process(LEASE_UNTIL_TOLD, old)
    assert run.stdout is not None
    assert run.stdout.readline() == "leased\n"

    shrink(tmp_path, 0)
    during = old.exists(), new.exists()
    run.communicate(timeout=60)
    shrink(tmp_path, 0)

    assert (during, old.exists()) == ((True, False), False)


@pytest.fixture(autouse=True)
def _leases_end_with_the_test() -> Iterator[None]:
    yield
    while cache_module._held:
        cache_module._held.popitem()[1].release()
