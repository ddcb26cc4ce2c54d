"""Files that a person gives lie where they belong, whatever they are called, and only within limits."""

import zipfile
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
    with pytest.raises(RefusedError, match="the upload ended before the end of the file"):
        uploads.add("a", 10, BytesIO(b"abc"))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def zipped(*files: tuple[str, bytes]) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files:
            archive.writestr(name, body)
    return content.getvalue()


def given(uploads: Uploads, archive: bytes) -> str:
    return uploads.add("series.ZIP", len(archive), BytesIO(archive))


def test_the_files_of_a_zip_are_kept_as_if_they_were_given_one_by_one(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    files = [("PAT/A/IM1", b"1"), ("PAT/B/IM1", b"2"), ("PAT/DICOMDIR", b"d"), ("__MACOSX/IM1", b"m"), ("PAT/.x", b"h")]

    path = uploads.path(given(uploads, zipped(*files)))

    assert sorted(file.read_bytes() for file in path.iterdir()) == [b"1", b"2"]
    assert [place.name for place in tmp_path.iterdir()] == [path.name]


def test_a_zip_of_one_file_is_that_file(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)

    assert uploads.path(given(uploads, zipped(("a/t1.nii.gz", b"1")))).name == "t1.nii.gz"


@pytest.mark.parametrize("name", ["../../outside.dcm", "/etc/outside.dcm", "C:\\outside.dcm", "a/../../../outside.dcm"])
def test_no_name_in_a_zip_leads_out(tmp_path: Path, name: str) -> None:
    uploads = Uploads(tmp_path / "uploads")

    path = uploads.path(given(uploads, zipped((name, b"x"))))

    assert path.resolve().parent.parent == (tmp_path / "uploads").resolve()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def _bomb() -> bytes:
    return zipped(*((f"{number}.dcm", bytes(2**20)) for number in range(3)))


def _lies_about_sizes() -> bytes:
    return _bomb().replace((2**20).to_bytes(4, "little"), (7).to_bytes(4, "little"))


def _encrypted() -> bytes:
    archive = bytearray(zipped(("a.dcm", b"secret")))
    archive[6] |= 1
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def _of_huge_table() -> bytes:
    archive = bytearray(zipped(("a.dcm", b"1")))
    end = archive.index(b"PK\x05\x06")
    archive[end + 12 : end + 16] = (2**30).to_bytes(4, "little")
    return bytes(archive)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (_bomb(), "the files in the ZIP may have at most 2,097,152 bytes together"),
        (_lies_about_sizes(), "the ZIP cannot be unpacked: it is damaged"),
        (_encrypted(), "the ZIP cannot be unpacked: it is damaged, encrypted"),
        (zipped(("a.dcm", bytes(9)))[:-30], "the ZIP cannot be unpacked: it is damaged"),
        (b"", "the ZIP cannot be unpacked"),
        (_of_huge_table(), "the ZIP holds too much: at most 5 files"),
        (zipped(*((f"{number}.dcm", b"1") for number in range(6))), "the ZIP holds 6 files; from 1 to 5 are taken"),
        (zipped(("__MACOSX/a", b"1")), "the ZIP holds 0 files"),
    ],
    ids=["bomb", "lies", "encrypted", "cut", "empty", "table", "many", "nothing"],
)
def test_a_hostile_zip_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bytes, message: str
) -> None:
    monkeypatch.setattr("gandlf_synth.app.uploads._MOST_UNPACKED", 2**21)
    monkeypatch.setattr("gandlf_synth.app.uploads.MOST_FILES", 5)

    with pytest.raises(RefusedError, match=message):
        given(Uploads(tmp_path), archive)

    assert list(tmp_path.iterdir()) == []
