"""Reading CSVs: what is accepted, how subjects are found, and that every problem is named."""

from pathlib import Path

import pytest

from gandlf_synth.data.table.manifest import Manifest, paradigm, read_manifest
from gandlf_synth.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``<patient>/{t1,t2}.nii.gz`` for four patients and ``flat/{a,b,c}.png``."""
    for patient in ("p1", "p2", "p3", "p4"):
        for channel in ("t1", "t2"):
            touch(tmp_path / patient / f"{channel}.nii.gz")
    for name in "abc":
        touch(tmp_path / "flat" / f"{name}.png")
    return tmp_path


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def read(folder: Path, *lines: str) -> Manifest:
    path = folder / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_manifest(path)


def problems(folder: Path, *lines: str) -> str:
    with pytest.raises(DataError) as raised:
        read(folder, *lines)
    return str(raised.value).replace(str(folder), "DIR")


def test_reads_channels_labels_and_subjects(folder: Path) -> None:
    manifest = read(
        folder,
        "SubjectID,Channel_1,Channel_0,LabelMapping,Label",
        "Anna,p1/t2.nii.gz,p1/t1.nii.gz,tumour,1",
        "Bert,p2/t2.nii.gz,p2/t1.nii.gz,healthy,0",
    )
    first = manifest.samples[0]
    assert first.channels == (folder / "p1/t1.nii.gz", folder / "p1/t2.nii.gz")
    assert (first.row, first.subject, first.label, first.label_name) == (1, "Anna", 1, "tumour")
    assert manifest.num_columns == 2
    assert list(manifest.labels.items()) == [(0, "healthy"), (1, "tumour")]
    assert manifest.subject_rule == "the SubjectID column"
    assert paradigm(manifest) == "custom"


def test_columns_that_the_vocabulary_does_not_have_are_kept_as_text(folder: Path) -> None:
    manifest = read(
        folder,
        "Age,Channel_0,Sex (M/F),Source_0,Region,Scan,Scan",
        "63, p1/t1.nii.gz ,F,p1/t2.nii.gz,p1/t2.nii.gz,a,b",
        ",p2/t1.nii.gz,M,,,a,b",
    )
    assert manifest.extra_columns == ("Age", "Sex (M/F)")
    assert [dict(sample.extra) for sample in manifest.samples] == [
        {"Age": "63", "Sex (M/F)": "F"},
        {"Age": "", "Sex (M/F)": "M"},
    ]
    assert manifest.subset(manifest.samples[1:]).extra_columns == manifest.extra_columns


def test_a_csv_of_the_vocabulary_alone_has_no_further_columns(folder: Path) -> None:
    manifest = read(folder, "Channel_0,Label", "p1/t1.nii.gz,1")
    assert (manifest.extra_columns, manifest.samples[0].extra) == ((), {})


def test_a_cell_is_named_by_row_column_and_path(folder: Path) -> None:
    manifest = read(folder, "Channel_0,Channel_1", *(f"p{n}/t1.nii.gz,p{n}/t2.nii.gz" for n in (1, 2)))
    expected = f"{folder}/data.csv row 2, column Channel_1 ({folder}/p2/t2.nii.gz)"
    assert manifest.where(manifest.samples[1], 1) == expected


def test_subset_keeps_the_csv_and_the_rule(folder: Path) -> None:
    manifest = read(folder, "Channel_0", "p1/t1.nii.gz", "p2/t1.nii.gz")
    part = manifest.subset(manifest.samples[1:])
    assert [sample.row for sample in part.samples] == [2]
    assert (part.path, part.subject_rule) == (manifest.path, manifest.subject_rule)


@pytest.mark.parametrize("header", ["Channel_0,Patient ID", "channel_0;PatientID", "CHANNEL 0\tsubject_id"])
def test_column_names_and_separators_are_forgiving(folder: Path, header: str) -> None:
    separator = next(letter for letter in ",;\t" if letter in header)
    manifest = read(folder, header, f"p1/t1.nii.gz{separator} Anna ")
    assert manifest.samples[0].subject == "Anna"


def test_byte_order_mark_blank_lines_quotes_and_other_columns(folder: Path) -> None:
    touch(folder / "p9" / "a,b.png")
    lines = ("\ufeffChannel_0,PatientAge", '"p9/a,b.png",40', "", ",", "p1/t1.nii.gz,41")
    manifest = read(folder, *lines)
    assert [sample.channels[0].name for sample in manifest.samples] == ["a,b.png", "t1.nii.gz"]


def test_labels_written_as_floats_are_integers(folder: Path) -> None:
    manifest = read(folder, "Channel_0,Label", "p1/t1.nii.gz,1.0", "p2/t1.nii.gz,0.0")
    assert manifest.labels == {0: "0", 1: "1"}


def test_a_column_that_is_empty_in_every_row_counts_as_absent(folder: Path) -> None:
    manifest = read(folder, "Channel_0,Label,LabelMapping,SubjectID", "p1/t1.nii.gz,,,", "p2/t1.nii.gz,,,")
    assert paradigm(manifest) == "unlabeled"
    assert [sample.subject for sample in manifest.samples] == ["p1", "p2"]


# ---- subjects ----


def test_the_folder_is_the_subject(folder: Path) -> None:
    manifest = read(folder, "Channel_0", "p1/t1.nii.gz", "p1/t2.nii.gz", "p2/t1.nii.gz")
    assert [sample.subject for sample in manifest.samples] == ["p1", "p1", "p2"]
    assert manifest.subject_rule == "the folder that holds Channel_0"


def test_equal_folder_names_are_told_apart(folder: Path) -> None:
    for site in ("north", "south"):
        touch(folder / site / "001" / "t1.nii.gz")
    manifest = read(folder, "Channel_0", "north/001/t1.nii.gz", "south/001/t1.nii.gz")
    assert [sample.subject for sample in manifest.samples] == ["north/001", "south/001"]


def test_rows_in_one_folder_are_their_own_subjects(folder: Path) -> None:
    manifest = read(folder, "Channel_0", "flat/a.png", "flat/b.png")
    assert [sample.subject for sample in manifest.samples] == ["a", "b"]
    assert "all images lie in one folder" in manifest.subject_rule
    assert not manifest.names_identify


def test_rows_in_class_folders_are_their_own_subjects(folder: Path) -> None:
    touch(folder / "Benign" / "a.png")
    touch(folder / "Benign" / "d.png")
    rows = ("flat/a.png,0,malign", "flat/b.png,0,malign", "Benign/a.png,1,benign", "Benign/d.png,1,benign")
    manifest = read(folder, "Channel_0,Label,LabelMapping", *rows)
    assert [sample.subject for sample in manifest.samples] == ["flat/a", "flat/b", "Benign/a", "Benign/d"]
    assert f"folders are named like classes ({folder}/Benign)" in manifest.subject_rule


def test_rows_in_a_folder_of_several_labels_are_their_own_subjects(folder: Path) -> None:
    manifest = read(folder, "Channel_0,Label", "flat/a.png,0", "flat/b.png,1", "p1/t1.nii.gz,0")
    assert [sample.subject for sample in manifest.samples] == ["a", "b", "t1"]
    assert f"different labels ({folder}/flat)" in manifest.subject_rule


def test_a_label_for_every_patient_is_the_patient_paradigm(folder: Path) -> None:
    rows = [f"p{n}/t1.nii.gz,{n},p{n}" for n in (1, 2, 3)]
    assert paradigm(read(folder, "Channel_0,Label,LabelMapping", *rows)) == "patient"


# ---- problems ----


def test_missing_csv_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.csv").touch()
    with pytest.raises(DataError, match=r"trian\.csv: does not exist; did you mean 'train\.csv'\?"):
        read_manifest(tmp_path / "trian.csv")


def test_a_folder_is_not_a_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory; allowed: a CSV file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"Channel_0\na.png\nb\0c.png\n", "is not a text file: NUL byte in line 3"),
        ("Channel_0\na.png".encode("utf-16-le"), "is not a text file: NUL byte in line 1"),
        (b"Channel_0\nM\xfcller.png\n", "is not UTF-8 text: byte 0xfc in line 2"),
        (b'Channel_0,Label\n"a.png,1\n', "cannot be read as CSV: unexpected end of data"),
        (b"Channel_0,Label\n", "has a header but no rows; allowed: one row per sample"),
    ],
)
def test_what_is_not_a_csv_of_rows(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_manifest(path)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Scan,Age", "header: has no column Channel_0: Scan, Age; allowed: Channel_0, Channel_1, …"),
        ("Image,File_Name", "rename the one with the images to Channel_0: Image, File_Name"),
        ("Channel_1", "header: has no column Channel_0, but Channel_1"),
        ("Channel_0,Channel_2", "header: has no column Channel_1, but Channel_2"),
        ("Channel_0,channel_0", "header: has Channel_0 2 times: 'Channel_0', 'channel_0'; allowed: each column once"),
        ("Channel_0,SubjectID,PatientID", "header: has SubjectID 2 times: 'SubjectID', 'PatientID'"),
        ("Channel_0,Lable", "header: unknown column 'Lable'"),
        ("Channel_0,Lable", "did you mean 'Label'? else rename it"),
        ("Channel_0,Subject", "did you mean 'SubjectID'?"),
    ],
)
def test_header_problems(folder: Path, header: str, message: str) -> None:
    cells = ",".join(["p1/t1.nii.gz", "p1/t2.nii.gz", "x"][: header.count(",") + 1])
    assert message in problems(folder, header, cells)


def test_rows_with_other_numbers_of_cells(folder: Path) -> None:
    text = problems(folder, "Channel_0,Channel_1", "p1/t1.nii.gz,p1/t2.nii.gz", "", "p2/t1.nii.gz", "a,b,c")
    assert "DIR/data.csv row 2 (line 4): has 1 cells where the header has 2" in text
    assert "DIR/data.csv row 3 (line 5): has 3 cells where the header has 2" in text


def test_empty_cells(folder: Path) -> None:
    text = problems(folder, "Channel_0,Channel_1", "p1/t1.nii.gz,", ",p2/t2.nii.gz")
    assert "row 1 (line 2), column Channel_1: is empty" in text
    assert "row 2 (line 3), column Channel_0: is empty" in text


@pytest.mark.parametrize("column", ["Label", "SubjectID"])
def test_columns_filled_in_some_rows_only(folder: Path, column: str) -> None:
    text = problems(folder, f"Channel_0,{column}", "p1/t1.nii.gz,1", "p2/t1.nii.gz,", "p3/t1.nii.gz,")
    assert (
        f"DIR/data.csv column {column}: is given in 1 of 3 rows and empty in rows 2, 3; allowed: all rows or none"
        in text
    )


def test_labels_that_are_not_integers(folder: Path) -> None:
    text = problems(folder, "Channel_0,Label", "p1/t1.nii.gz,tumour", "p2/t1.nii.gz,1.5")
    assert "row 1 (line 2), column Label: is 'tumour'; allowed: an integer; put class names into LabelMapping" in text
    assert "row 2 (line 3), column Label: is '1.5'" in text


def test_labels_and_names_that_contradict_each_other(folder: Path) -> None:
    rows = ("p1/t1.nii.gz,0,cat", "p2/t1.nii.gz,0,dog", "p3/t1.nii.gz,2,dog")
    text = problems(folder, "Channel_0,Label,LabelMapping", *rows)
    assert "Label 0 has several LabelMappings: 'cat' (row 1), 'dog' (row 2)" in text
    assert "LabelMapping 'dog' has several Labels: 0 (row 2), 2 (row 3)" in text


def test_rows_listed_twice_and_one_file_for_two_channels(folder: Path) -> None:
    same = "p1/t1.nii.gz,p1/t2.nii.gz"
    text = problems(folder, "Channel_0,Channel_1", same, "p2/t1.nii.gz,p2/../p2/t1.nii.gz", f"p4/../{same}")
    assert "row 2 (line 3): names one file for two channels: DIR/p2/t1.nii.gz" in text
    assert "row 3 (line 4): lists the same images as row 1: DIR/p1/t1.nii.gz, DIR/p1/t2.nii.gz" in text


def test_missing_files_name_row_and_column(folder: Path) -> None:
    text = problems(folder, "Channel_0,Channel_1", "p1/t1.nii.gz,p1/flair.nii.gz", "~/a.png,p2/t2.nii.gz")
    assert "row 1 (line 2), column Channel_1 (DIR/p1/flair.nii.gz): does not exist" in text
    home = "row 2 (line 3), column Channel_0 (DIR/~/a.png): does not exist; ~ is not expanded; write the whole path"
    assert home in text


def test_many_missing_files_in_a_missing_folder(folder: Path) -> None:
    text = problems(folder, "Channel_0", *(f"images/{number}/a.png" for number in range(500)))
    hint = "DIR/data.csv: none of the 500 files exists; the nearest folder that does is DIR; is DIR/images mounted?"
    assert f"{hint}; relative paths start at the folder of the CSV, DIR" in text
    assert text.count("column Channel_0") == 20
    assert "… and 480 more like these" in text


def test_a_missing_folder_of_some_of_the_files(folder: Path) -> None:
    text = problems(folder, "Channel_0", "p1/t1.nii.gz", *(f"images/{number}/a.png" for number in range(3)))
    assert "DIR/data.csv: all 3 missing files lie in DIR/images, which does not exist; relative paths start" in text


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    text = problems(folder, "Channel_0,Label,Chanel_1", "p1/t1.nii.gz,x,1", "p9/t1.nii.gz,2,1", "p2/t1.nii.gz")
    for part in ("unknown column 'Chanel_1'", "is 'x'", "p9/t1.nii.gz): does not exist", "has 1 cells"):
        assert part in text
    assert text.startswith("4 problems:")
