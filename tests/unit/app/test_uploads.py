"""Files that a person gives lie where they belong, whatever they are called, and only within limits."""

from io import BytesIO
from pathlib import Path

import pytest

from gandlf_synth.app.reply import RefusedError
from gandlf_synth.app.uploads import LARGEST, Uploads, safe_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [("t1.nii.gz", "t1.nii.gz"), ("../../etc/passwd", "passwd"), ("C:\\scans\\a.PNG", "a.png"), ("IM0001", "IM0001")],
)
def test_a_name_keeps_its_ending_and_loses_its_folder(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize(
    "name", ["", "..", "/", "a\0b.nii", "CON.png", "x" * 5000 + ".nii.gz", ".hidden", "a#3.nii", "ü?.png"]
)
def test_no_name_leaves_the_folder_of_its_file(tmp_path: Path, name: str) -> None:
    uploads = Uploads(tmp_path / "uploads")

    path = uploads.path(uploads.add(name, 3, BytesIO(b"abc")))

    assert path.read_bytes() == b"abc"
    assert path.resolve().parent.parent == (tmp_path / "uploads").resolve()


def test_files_that_belong_together_are_a_folder(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    group = uploads.add("1.dcm", 1, BytesIO(b"1"))

    assert uploads.add("2.dcm", 1, BytesIO(b"2"), group) == group
    assert sorted(path.name for path in uploads.path(group).iterdir()) == ["1.dcm", "2.dcm"]


def test_slices_of_one_name_in_several_folders_are_all_kept(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    group = uploads.add("A/IM1", 1, BytesIO(b"1"))
    for content in (b"2", b"3"):
        uploads.add("B/IM1", 1, BytesIO(content), group)

    assert sorted(path.read_bytes() for path in uploads.path(group).iterdir()) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("group", ["", "..", "0123456789abcdef"])
def test_what_was_never_given_is_not_found(tmp_path: Path, group: str) -> None:
    with pytest.raises(RefusedError, match="no such file"):
        Uploads(tmp_path).path(group)
    with pytest.raises(RefusedError, match="no such file"):
        Uploads(tmp_path).add("a", 1, BytesIO(b"a"), group)


def test_a_huge_file_is_refused_before_it_is_read_and_a_broken_one_leaves_nothing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads")

    with pytest.raises(RefusedError, match=r"files may have at most 1,073,741,824 bytes"):
        uploads.add("a", LARGEST + 1, BytesIO())
    with pytest.raises(RefusedError, match="the file broke off"):
        uploads.add("a", 10, BytesIO(b"abc"))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
