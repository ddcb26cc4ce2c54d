"""Damaged files of every format: a clear error that names row and column, bounded memory, and good rows untouched.

A damaged file may still hold an image: a flipped bit in a voxel is another voxel. What it may not do is raise
anything but ``UnreadableError``, hang, take memory that its size cannot explain, or end the process.
"""

import tracemalloc
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.damage import Damage, cell_of, damages, giant_files, valid_files
from tests.factories import write_nifti

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import scan_file, scan_files
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.errors import DataError

NAMES = [
    "bmp", "dicom", "dicom jpeg", "dicom jpeg 2000", "dicom jpeg lossless", "dicom jpeg-ls", "dicom rle", "jpeg", "mha", "mha zlib", "nifti1", "nifti1 gzip", "nifti2", "npy",
    "npz", "nrrd", "nrrd gzip", "ome-tiff", "png", "png palette", "slide", "tar", "tiff", "tiff deflate",
]  # fmt: skip
_MOST_BYTES = 800 * 2**20
"""64 MiB of declared values from little, as float32, with the copies that reading makes."""


@cache
def files() -> dict[str, tuple[str, bytes]]:
    with TemporaryDirectory() as scratch:
        return valid_files(Path(scratch))


def check_one(folder: Path, ending: str, content: bytes) -> None:
    path = folder / f"x{ending}"
    path.write_bytes(content)
    tracemalloc.start()
    scan = scan_file(folder / cell_of(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < _MOST_BYTES
    if scan.problem is None:
        assert min(scan.shape) > 0
        assert np.isfinite(scan.affine).all()
        assert np.isfinite([*scan.low, *scan.high]).all()
    else:
        assert scan.problem[0]
        assert str(folder) not in scan.problem[0]


def test_every_format_is_here(tmp_path: Path) -> None:
    assert sorted(files()) == NAMES
    for ending, content in files().values():
        path = tmp_path / f"x{ending}"
        path.write_bytes(content)
        assert read_image(tmp_path / cell_of(path)).array.size


quick = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
thorough = settings(quick, max_examples=1500)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(damage=damages)
def test_damage_gives_a_clear_error(tmp_path: Path, name: str, damage: Damage) -> None:
    ending, content = files()[name]
    check_one(tmp_path, ending, damage(content))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@thorough
@given(damage=damages)
def test_much_damage_gives_a_clear_error(tmp_path: Path, name: str, damage: Damage) -> None:
    ending, content = files()[name]
    check_one(tmp_path, ending, damage(content))


@pytest.mark.parametrize("name", NAMES)
def test_truncation_is_never_overlooked(tmp_path: Path, name: str) -> None:
    ending, content = files()[name]
    path = tmp_path / f"x{ending}"
    if name == "slide":
        pytest.skip("its last bytes belong to tiles that a patch does not need")
    for cut in {0, 1, *np.linspace(2, len(content) * 0.97, 20).astype(int).tolist()}:
        path.write_bytes(content[:cut])
        with pytest.raises(UnreadableError):
            read_image(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_ending_is_refused(tmp_path: Path, name: str) -> None:
    ending, content = files()[name]
    own = {ending, ".tif", ".svs", ".ome.tif"} if ending in {".tif", ".svs", ".ome.tif"} else {ending}
    for alike in ({".png", ".jpg", ".bmp"}, {".nii", ".nii.gz"}):  # the content decides
        own |= alike if ending in alike else set()
    for other in {kind for kind, _ in files().values()} - own:
        path = tmp_path / f"x{other}"
        path.write_bytes(content)
        with pytest.raises(UnreadableError):
            read_image(tmp_path / cell_of(path))


@pytest.mark.parametrize("name", giant_files())
def test_giants_are_refused_before_memory_is_taken(tmp_path: Path, name: str) -> None:
    ending, content = giant_files()[name]
    path = tmp_path / f"x{ending}"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError):
            read_image(path)
        assert tracemalloc.get_traced_memory()[1] < _MOST_BYTES
    finally:
        tracemalloc.stop()


def manifest_with(folder: Path, cell: str) -> Manifest:
    for index in (1, 3):
        write_nifti(folder / f"good{index}.nii", np.random.default_rng(index).random((5, 5, 5)).astype(np.float32))
    (folder / "a.csv").write_text(f'Channel_0\ngood1.nii\n"{cell}"\ngood3.nii\n')
    return read_manifest(folder / "a.csv")


@quick
@given(data=st.data())
def test_the_cell_is_named_and_good_rows_are_untouched(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    ending, content = files()[name]
    bad = tmp_path / f"bad{ending}"
    bad.write_bytes(content[: int(data.draw(st.floats(0, 0.5)) * len(content))])
    manifest = manifest_with(tmp_path, cell_of(bad))

    scans = scan_files([sample.channels[0] for sample in manifest.samples], tmp_path / "cache")

    with pytest.raises(DataError) as caught:
        fingerprint([manifest], scans)
    assert len(caught.value.problems) == 1
    assert "row 2, column Channel_0" in str(caught.value)
    good = [scans[manifest.samples[index].channels[0]] for index in (0, 2)]
    assert all(scan.problem is None and scan.shape == (5, 5, 5) for scan in good)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    array = np.ones((5, 5, 5), np.float32)
    array[2, 2, 2] = value
    write_nifti(tmp_path / "bad.nii", array)
    manifest = manifest_with(tmp_path, "bad.nii")

    with pytest.raises(DataError, match=r"row 2, column Channel_0 .*1 voxels that are NaN or infinite"):
        fingerprint([manifest], scan_files([sample.channels[0] for sample in manifest.samples], tmp_path / "cache"))


def test_an_axis_without_voxels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 0, 5)))
    write_nifti(tmp_path / "a.nii", np.zeros((5, 5, 5), np.float32))
    header = bytearray((tmp_path / "a.nii").read_bytes())
    header[42:44] = b"\0\0"
    (tmp_path / "a.nii").write_bytes(header)

    for name in ("a.npy", "a.nii"):
        with pytest.raises(UnreadableError, match=r"axis without voxels|axis of length 0|damaged"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("byte", [0, ord("'"), ord("{")])
def test_a_numpy_header_that_python_cannot_parse_is_damage(tmp_path: Path, byte: int) -> None:
    whole, damaged = tmp_path / "whole.npy", tmp_path / "damaged.npy"
    np.save(whole, np.zeros((8, 8), np.float32))
    content = bytearray(whole.read_bytes())
    content[60] = byte
    damaged.write_bytes(content)

    with pytest.raises(UnreadableError, match="truncated or damaged"):
        read_image(damaged)
