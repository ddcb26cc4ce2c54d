"""What is known of files: kept as it is found, believed only while file and reader are the same."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import blob_picture, write_picture
from tests.opened import opened_files
from tests.ordinary_user import as_ordinary_user

from gandlf_synth import registry
from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.formats.scan import SCANS, scan_files
from gandlf_synth.data.loading.cache import shrink

PLUGIN = """
import numpy as np
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import Reader, UnreadableError
from gandlf_synth.geometry import picture_geometry
from gandlf_synth.registry import register

@register("readers", "flat")
class Flat(Reader):
    suffixes = (".flat",)

    def __call__(self, path, part=""):
        if path.with_suffix(".away").exists():
            raise UnreadableError("is not there at the moment")
        shape = tuple(np.array([4, 4]))  # of NumPy's integers, as many libraries give them
        return Image.from_file_values(np.full((1, 4, 4), {value}, np.uint8), picture_geometry(shape))
"""


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [write_picture(tmp_path / f"{index}.png", blob_picture(8, index)) for index in range(6)]


def read_again(paths: Iterable[Path], cache: Path) -> list[str]:
    """Return the names of the images that a scan opens."""
    with opened_files() as opened:
        scan_files(list(paths), cache)
    return sorted({Path(name).name for name in opened if name.endswith((".png", ".flat"))})


def test_one_row_fewer_or_more_reads_nothing_but_the_new_one(pictures: list[Path], tmp_path: Path) -> None:
    first = scan_files(pictures[:5], tmp_path / "c")

    assert read_again(pictures[1:5], tmp_path / "c") == []
    assert read_again(pictures, tmp_path / "c") == ["5.png"]
    assert scan_files(pictures[:5], tmp_path / "c") == first


def test_a_size_stays_a_whole_number_beside_equal_values(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.full((8, 8, 2), 8, np.uint8))

    first, again = (scan_files([path], tmp_path / "c")[path] for _ in range(2))

    assert (again, repr(again)) == (first, repr(first))


def test_an_interruption_loses_nothing(pictures: list[Path], tmp_path: Path) -> None:
    def interrupted(items: Iterable[object], _total: int, _description: str) -> Iterable[object]:
        for number, item in enumerate(items):
            if number == 4:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        scan_files(pictures, tmp_path / "c", interrupted)

    assert read_again(pictures, tmp_path / "c") == ["4.png", "5.png"]


def test_other_voxels_of_the_same_size_and_time_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((8, 8), np.uint8))
    before, times = scan_files([path], tmp_path / "c")[path], path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x09")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    after = scan_files([path], tmp_path / "c")[path]

    assert (before.largest, after.largest) == (0, 9)


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image of a format of a local plugin, which says that all its values are 1."""
    monkeypatch.setattr(registry, "_registered", {})
    (tmp_path / "flat_reader.py").write_text(PLUGIN.format(value=1))
    registry.load_plugin(tmp_path / "flat_reader.py")
    (tmp_path / "a.flat").write_bytes(b"1")
    return tmp_path / "a.flat"


def test_a_passing_trouble_is_no_fact_about_a_file(flat: Path, tmp_path: Path) -> None:
    flat.with_suffix(".away").touch()
    trouble = scan_files([flat], tmp_path / "c")[flat].problem
    flat.with_suffix(".away").unlink()

    assert trouble == ("is not there at the moment", "", "")
    assert scan_files([flat], tmp_path / "c")[flat].problem is None


def test_a_changed_reader_reads_again(flat: Path, tmp_path: Path) -> None:
    before = scan_files([flat], tmp_path / "c")[flat].largest
    (tmp_path / "flat_reader.py").write_text(PLUGIN.format(value=22))
    registry.load_plugin(tmp_path / "flat_reader.py")

    assert (before, scan_files([flat], tmp_path / "c")[flat].largest) == (1, 22)


@pytest.mark.parametrize("damage", ["row", "file"])
def test_damage_is_not_believed(pictures: list[Path], tmp_path: Path, damage: str) -> None:
    first = scan_files(pictures, tmp_path / "c")
    kept = tmp_path / "c" / SCANS
    if damage == "file":
        kept.write_bytes(b"no database" * 100)
    else:
        with sqlite3.connect(kept) as database:
            database.execute("UPDATE facts SET text = replace(text, 'uint8', 'uint9') WHERE key LIKE '%2.png'")
        database.close()

    lost = {"row": [2], "file": range(6)}[damage]
    assert read_again(pictures, tmp_path / "c") == [f"{number}.png" for number in lost]
    assert scan_files(pictures, tmp_path / "c") == first
    assert read_again(pictures, tmp_path / "c") == []


def test_what_is_known_counts_towards_the_size_of_the_cache(pictures: list[Path], tmp_path: Path) -> None:
    scan_files(pictures, tmp_path / "c")

    shrink(tmp_path / "c", 10**6)
    within = read_again(pictures, tmp_path / "c")
    shrink(tmp_path / "c", 0)

    assert within == []
    assert len(read_again(pictures, tmp_path / "c")) == 6


def test_a_cache_that_can_only_be_read_is_used_and_what_it_lacks_is_kept_elsewhere(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [write_picture(open_folder / f"{index}.png", blob_picture(8, index)) for index in range(6)]
    shared, own = open_folder / "shared", open_folder / "own"
    scan_files(pictures[:4], shared)
    own.mkdir()
    own.chmod(0o777)
    shared.chmod(0o555)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))
    writable_cache.cache_clear()

    with as_ordinary_user():
        read = read_again(pictures, shared), read_again(pictures, shared)

    assert read == (["4.png", "5.png"], [])
    assert f"the cache {shared} can only be read (Permission denied); what it lacks is kept in {own}" in caplog.text
