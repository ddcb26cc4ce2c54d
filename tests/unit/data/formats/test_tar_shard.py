"""Files of tar archives are read where they lie, and an archive that is not whole is refused."""

import gzip
import re
import tarfile
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.factories import pack

from gandlf_synth.data.formats.readers import UnreadableError, locate, read_image
from gandlf_synth.data.formats.readers.tar_shard import members
from gandlf_synth.data.formats.scan import identity

VOLUME = np.arange(7 * 5 * 6, dtype=np.int16).reshape(7, 5, 6)


def npy(array: np.ndarray = VOLUME) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def series() -> bytes:
    volumes = np.stack([VOLUME, VOLUME + 1], axis=-1)
    return bytes(gzip.compress(nib.Nifti1Image(volumes, np.diag([2.0, 3.0, 4.0, 1.0])).to_bytes(), mtime=0))


def test_a_file_is_read_by_its_name_with_folders_and_a_part_of_its_own(tmp_path: Path) -> None:
    shard = pack(tmp_path / "shard-000.tar", {"./a/case.1.npy": npy(), "fmri.nii.gz": series()})

    assert np.array_equal(read_image(Path(f"{shard}#a/case.1.npy")).array[0], VOLUME)
    second = read_image(Path(f"{shard}#fmri.nii.gz#1"))
    assert np.array_equal(second.array[0], VOLUME + 1)
    assert second.geometry.spacing == (2, 3, 4)
    assert locate(Path(f"{shard}#fmri.nii.gz#1")).path == shard


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("", "is an archive of 2 files: a.npy, b.txt; .*name it after #, as in shard.tar#a.npy"),
        ("c.npy", "has no file 'c.npy'.*did you mean 'a.npy'"),
        ("b.txt", "has a file 'b.txt' that has an unknown file type '.txt'"),
        ("a.npy#1", "has a file 'a.npy' that names a part \\(#1\\), but holds one array"),
    ],
)
def test_what_is_no_image_of_the_archive_is_named(part: str, said: str, tmp_path: Path) -> None:
    shard = pack(tmp_path / "shard.tar", {"a.npy": npy(), "b.txt": b"text"})

    with pytest.raises(UnreadableError) as error:
        read_image(Path(f"{shard}#{part}") if part else shard)

    assert re.search(said, str(error.value.at("here")))


def test_an_archive_that_is_not_whole_is_refused_and_not_read_in_part(tmp_path: Path) -> None:
    whole = pack(tmp_path / "shard.tar", {name: npy() for name in ("a.npy", "b.npy", "c.npy")}).read_bytes()
    second = whole.index(b"b.npy")
    damaged = {
        "stops in a file": (whole[: second + 700], "damaged"),
        "stops between files": (whole[:second], "stops without an end mark behind 'a.npy'"),
        "a header that is no header": (
            whole[:second] + b"\xff" * 512 + whole[second + 512 :],
            "damaged.*behind 'a.npy'",
        ),
        "two archives in one": (whole + whole, "goes on without being an archive, behind 'c.npy'"),
        "compressed": (gzip.compress(whole), "gunzip"),
    }
    for name, (content, said) in damaged.items():
        path = tmp_path / f"{name}.tar"
        path.write_bytes(content)
        with pytest.raises(UnreadableError) as error:
            members(path)
        assert re.search(said, str(error.value.at(name))), name


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("a.npy"))

    with pytest.raises(UnreadableError, match=r"holds .a\.npy. twice"):
        members(tmp_path / "twice.tar")


def test_an_archive_that_was_written_again_is_another_image(tmp_path: Path) -> None:
    shard = pack(tmp_path / "shard.tar", {"a.npy": npy()})
    cell = Path(f"{shard}#a.npy")
    before, first = identity(cell), read_image(cell)

    pack(tmp_path / "other.tar", {"first.npy": npy(VOLUME - 5), "a.npy": npy(VOLUME + 5)}).replace(shard)

    assert identity(cell) != before
    assert np.array_equal(read_image(cell).array, first.array + 5)
