"""CSVs that Excel, Windows, macOS and other tools write: read as they are meant, or refused with what to do."""

import os
from pathlib import Path
from unicodedata import normalize

import pytest
from tests.factories import blob_picture, write_picture

from gandlf_synth.data.table.manifest import Manifest, paradigm, read_manifest
from gandlf_synth.errors import DataError

ACCENTED = "Müller_é.png"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``images/{a,b,c}.png``."""
    for seed, name in enumerate("abc"):
        write_picture(tmp_path / "study" / "images" / f"{name}.png", blob_picture(8, seed))
    return tmp_path / "study"


def read(folder: Path, text: str, encoding: str = "utf-8") -> Manifest:
    path = folder / "data.csv"
    path.write_bytes(text.encode(encoding))
    return read_manifest(path)


def names(manifest: Manifest) -> list[str]:
    assert all(path.is_file() for sample in manifest.samples for path in sample.files)
    return [sample.channels[0].name for sample in manifest.samples]


TABLE = "Channel_0{0}Label{0}LabelMapping\nimages/a.png{0}0{0}healthy\nimages/b.png{0}1{0}tumour\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["sep={}\n", '"sep={}"\n', "SEP={}\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_separator_that_excel_states_is_used(folder: Path, separator: str, first: str, encoding: str) -> None:
    manifest = read(folder, first.format(separator) + TABLE.format(separator), encoding)

    assert names(manifest) == ["a.png", "b.png"]
    assert manifest.labels == {0: "healthy", 1: "tumour"}


def test_lines_are_counted_with_the_one_that_states_the_separator(folder: Path) -> None:
    with pytest.raises(DataError, match=r"row 1 \(line 3\), column Channel_0 .*missing\.png\): does not exist"):
        read(folder, "sep=;\nChannel_0;Age\nimages/missing.png;3\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tabs_and_quoted_line_breaks(folder: Path, encoding: str) -> None:
    text = 'Channel_0\tComment\r\nimages/a.png\t"two\r\nlines; and, more"\r\nimages/b.png\t""\r\n'

    manifest = read(folder, text, encoding)

    assert names(manifest) == ["a.png", "b.png"]
    assert manifest.samples[0].extra["Comment"] == "two\r\nlines; and, more"


def test_backslashes_of_relative_paths_are_slashes(folder: Path) -> None:
    manifest = read(folder, "Channel_0\nimages\\a.png\n.\\images\\b.png\nimages/c.png\n")

    assert names(manifest) == ["a.png", "b.png", "c.png"]
    assert "backslashes in the paths of 2 rows are read as slashes" in manifest.notes


def test_a_name_with_a_backslash_in_it_is_left_alone(folder: Path) -> None:
    write_picture(folder / "odd\\name.png", blob_picture(8, 9))

    assert names(read(folder, "Channel_0\nodd\\name.png\n")) == ["odd\\name.png"]


@pytest.mark.parametrize("root", ["C:\\data\\", "\\\\server\\share\\", "d:/data/"])
def test_windows_paths_name_the_mapping_that_leads_to_the_files(folder: Path, root: str) -> None:
    text = f"Channel_0\n{root}study\\images\\a.png\n{root}study\\images\\b.png\n"
    with pytest.raises(DataError) as error:
        read(folder, text)

    message = str(error.value)
    assert "names 2 files by paths of Windows" in message
    assert f"replace {root!r} by '{folder.parent}/' in the CSV" in message
    assert "mounted?" not in message
    read(folder, text.replace(root, f"{folder.parent}/"))


def test_windows_paths_that_lead_nowhere_say_what_to_replace(folder: Path) -> None:
    with pytest.raises(DataError) as error:
        read(folder, "Channel_0\nE:\\mri\\p1\\x.png\nE:\\mri\\p2\\x.png\nimages/a.png\n")

    message = str(error.value)
    assert "replace 'E:\\\\mri\\\\' by the folder in which the files are here, such as '/mnt/data/'" in message
    assert "row 2 (line 3), column Channel_0: is 'E:\\\\mri\\\\p2\\\\x.png', a path of Windows" in message


@pytest.mark.parametrize(("stored", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_equal_however_they_are_coded(folder: Path, stored: str, written: str) -> None:
    write_picture(folder / normalize(stored, "größe") / normalize(stored, ACCENTED), blob_picture(8, 3))
    if os.path.exists(folder / normalize(written, "größe")):  # noqa: PTH110
        pytest.skip("the file system does not tell the two apart")

    manifest = read(folder, f"Channel_0\n{normalize(written, f'größe/{ACCENTED}')}\n")

    assert [normalize("NFC", name) for name in names(manifest)] == [normalize("NFC", ACCENTED)]


def test_subjects_and_classes_are_equal_however_their_accents_are_coded(folder: Path) -> None:
    rows = [f"images/{name}.png,{normalize(form, 'Müller')},0,{normalize(form, 'gesünd')}"
            for name, form in (("a", "NFC"), ("b", "NFD"))]  # fmt: skip

    manifest = read(folder, "\n".join(["Channel_0,SubjectID,Label,LabelMapping", *rows]))

    assert {sample.subject for sample in manifest.samples} == {normalize("NFC", "Müller")}
    assert manifest.labels == {0: normalize("NFC", "gesünd")}


@pytest.mark.parametrize("column", ["image", "Image", "image_path", "Path", "filename", "file", "img"])
def test_a_column_that_other_tools_call_image_is_the_channel(folder: Path, column: str) -> None:
    manifest = read(folder, f"ID,{column}\n1,images/a.png\n2,images/b.png\n")

    assert names(manifest) == ["a.png", "b.png"]
    assert manifest.extra_columns == ("ID",)
    assert f"column {column!r} is read as Channel_0" in manifest.notes


def test_a_channel_column_is_preferred(folder: Path) -> None:
    manifest = read(folder, "Channel_0,image\nimages/a.png,17\nimages/b.png,18\n")

    assert names(manifest) == ["a.png", "b.png"]
    assert manifest.extra_columns == ("image",)


@pytest.mark.parametrize("column", ["Label", "LabelMapping"])
def test_classes_with_names_only_are_numbered_by_the_alphabet(folder: Path, column: str) -> None:
    manifest = read(folder, f"Channel_0,{column}\nimages/a.png,tumour\nimages/b.png,healthy\nimages/c.png,tumour\n")

    assert [(sample.label, sample.label_name) for sample in manifest.samples] == [
        (1, "tumour"), (0, "healthy"), (1, "tumour"),
    ]  # fmt: skip
    assert paradigm(manifest) == "custom"
    assert any("0 healthy, 1 tumour" in note for note in manifest.notes)


def test_a_second_csv_takes_the_numbers_of_the_first(folder: Path) -> None:
    train = read(folder, "Channel_0,Label\nimages/a.png,benign\nimages/b.png,healthy\nimages/c.png,tumour\n")
    other = read(folder, "Channel_0,Label\nimages/a.png,tumour\nimages/b.png,unknown\n")

    assert other.labels == {0: "tumour", 1: "unknown"}
    assert other.numbered_like(train.labels).labels == {2: "tumour", 3: "unknown"}
    given = read(folder, "Channel_0,Label,LabelMapping\nimages/a.png,5,tumour\n")
    assert given.numbered_like(train.labels).labels == {5: "tumour"}


@pytest.mark.parametrize("labels", [("tumour", "1"), ("0.5", "1.5"), ("1e-3", "nan")])
def test_numbers_that_are_no_labels_are_no_names_either(folder: Path, labels: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=r"column Label: is .*; allowed: an integer"):
        read(folder, f"Channel_0,Label\nimages/a.png,{labels[0]}\nimages/b.png,{labels[1]}\n")
