"""Making CSVs of folders: layouts, endings, and what is said of folders that do not fit."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.table.construct import ConstructReport, construct_csv
from gandlf_synth.data.table.manifest import paradigm, read_manifest
from gandlf_synth.errors import ConfigError, DataError

MS = ["t1.nii.gz", "t1ce.nii.gz", "t2.nii.gz"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def construct(root: Path, endings: Sequence[str], kind: LabelingParadigm = "unlabeled") -> ConstructReport:
    return construct_csv(root, endings, kind, root.parent / "out.csv", relative_paths=True)


def rows(root: Path) -> list[list[str]]:
    with (root.parent / "out.csv").open(newline="") as file:
        return [[cell.removeprefix("data/") for cell in row] for row in csv.reader(file)]


def problems(root: Path, endings: Sequence[str], kind: LabelingParadigm = "unlabeled") -> list[str]:
    with pytest.raises(DataError) as raised:
        construct(root, endings, kind)
    assert not (root.parent / "out.csv").exists()
    return [str(problem).replace(str(root), "ROOT") for problem in raised.value.problems]


def test_unlabeled_patients(root: Path) -> None:
    fill(root, "p2/image.nii.gz", "p2/label.nii.gz", "p1/image.nii.gz", "p1/label.nii.gz", "README.md")
    report = construct(root, ["image.nii.gz"])
    assert report == ConstructReport(rows=2, subjects=2, classes={}, warnings=())
    assert rows(root) == [["SubjectID", "Channel_0"], ["p1", "p1/image.nii.gz"], ["p2", "p2/image.nii.gz"]]


def test_channels_come_in_the_order_of_the_endings_and_t1_is_not_t1ce(root: Path) -> None:
    fill(root, *(f"{patient}/{name}" for patient in ("p1", "p2") for name in reversed(MS)))
    construct(root, ["t2.nii.gz", "t1.nii.gz", "t1ce.nii.gz"])
    assert rows(root)[1] == ["p1", "p1/t2.nii.gz", "p1/t1.nii.gz", "p1/t1ce.nii.gz"]


def test_endings_start_at_a_word(root: Path) -> None:
    fill(root, "p1/p1_t1.nii.gz", "p1/p1_at1.nii.gz", "p1/p1_t1ce.nii.gz", "p1/p1-t2.nii.gz")
    construct(root, ["t1.nii.gz", "t2.nii.gz"])
    assert rows(root)[1] == ["p1", "p1/p1_t1.nii.gz", "p1/p1-t2.nii.gz"]


def test_a_file_belongs_to_the_longest_ending(root: Path) -> None:
    fill(root, "p1/a.nii.gz", "p1/a_t1.nii.gz")
    construct(root, [".nii.gz", "_t1.nii.gz"])
    assert rows(root)[1] == ["p1", "p1/a.nii.gz", "p1/a_t1.nii.gz"]


def test_the_patient_is_the_label(root: Path) -> None:
    fill(root, "zoe/a.png", "adam/a.png", "adam/b.png")
    report = construct(root, [".png"], "patient")
    assert report.classes == {"adam": 2, "zoe": 1}
    assert [row[-2:] for row in rows(root)] == [["Label", "LabelMapping"], ["0", "adam"], ["0", "adam"], ["1", "zoe"]]
    assert paradigm(read_manifest(root.parent / "out.csv")) == "patient"


def test_patients_with_one_row_are_noted(root: Path) -> None:
    fill(root, "zoe/a.png", "adam/a.png")
    warnings = construct(root, [".png"], "patient").warnings
    assert warnings == ("every patient has one row, so validation or test data cannot be split off",)


def test_the_class_folder_is_the_label_not_the_patient(root: Path) -> None:
    fill(root, "tumour/p3/1.jpeg", "tumour/p3/2.jpeg", "healthy/p1/1.jpeg", "healthy/p2/1.jpeg")
    report = construct(root, [".jpeg"], "custom")
    assert report == ConstructReport(rows=4, subjects=3, classes={"healthy": 2, "tumour": 2}, warnings=())
    assert rows(root)[1] == ["p1", "healthy/p1/1.jpeg", "0", "healthy"]
    assert rows(root)[4] == ["p3", "tumour/p3/2.jpeg", "1", "tumour"]
    assert paradigm(read_manifest(root.parent / "out.csv")) == "custom"


def test_subject_names_that_classes_share_get_the_class_in_front(root: Path) -> None:
    fill(root, "a/p1/x.png", "b/p1/x.png", "b/p2/x.png")
    report = construct(root, [".png"], "custom")
    assert [row[0] for row in rows(root)[1:]] == ["a/p1", "b/p1", "b/p2"]
    assert report.warnings == (
        "1 subject names occur in several classes and count as different subjects: p1; "
        "if they are the same people, give them one SubjectID",
    )


def test_flat_files_are_grouped_by_what_precedes_the_ending(root: Path) -> None:
    fill(root, "b_t1.nii.gz", "a_t2.nii.gz", "a_t1.nii.gz", "b_t2.nii.gz")
    report = construct(root, ["_t1.nii.gz", "t2.nii.gz"])
    assert rows(root)[1:] == [["a", "a_t1.nii.gz", "a_t2.nii.gz"], ["b", "b_t1.nii.gz", "b_t2.nii.gz"]]
    assert report.warnings[0].startswith("4 files lie in no patient folder: each name before the ending counts as a")


def test_flat_files_of_two_subjects_are_never_one_sample(root: Path) -> None:
    fill(root, "a_t1.nii.gz", "b_t2.nii.gz")
    first, second = problems(root, ["_t1.nii.gz", "_t2.nii.gz"])
    assert "has none for '_t2.nii.gz'; found a_t1.nii.gz" in first
    assert "has none for '_t1.nii.gz'; found b_t2.nii.gz" in second


def test_flat_classes(root: Path) -> None:
    fill(root, "normal/1.jpg", "normal/2.jpg", "opaque/3.jpg")
    construct(root, [".jpg"], "custom")
    assert [(row[0], row[-1]) for row in rows(root)[1:]] == [("1", "normal"), ("2", "normal"), ("3", "opaque")]


def test_deeper_folders_belong_to_their_patient(root: Path) -> None:
    fill(root, *(f"sub-1/{session}/{name}" for session in ("s1", "s2") for name in MS))
    fill(root, "sub-2/anat/t1.nii.gz", "sub-2/anat/t1ce.nii.gz", "sub-2/other/t2.nii.gz")
    report = construct(root, MS)
    assert [row[:2] for row in rows(root)[1:]] == [
        ["sub-1", "sub-1/s1/t1.nii.gz"],
        ["sub-1", "sub-1/s2/t1.nii.gz"],
        ["sub-2", "sub-2/anat/t1.nii.gz"],
    ]
    deep = f"files lie 2 folders deep: the first folder in {root} counts as the subject (2 subjects)"
    assert report.warnings == (deep,)


def test_several_samples_of_several_channels_in_a_patient_folder(root: Path) -> None:
    fill(root, *(f"p1/{visit}_{channel}.png" for visit in ("v1", "v2") for channel in ("he", "ihc")))
    construct(root, ["he.png", "ihc.png"])
    assert rows(root)[1:] == [["p1", "p1/v1_he.png", "p1/v1_ihc.png"], ["p1", "p1/v2_he.png", "p1/v2_ihc.png"]]


def test_hidden_files_and_link_loops_are_left_out(root: Path) -> None:
    fill(root, "p1/a.png", "p1/._a.png", ".cache/p9/a.png", "p1/.DS_Store")
    (root / "p1" / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "p1")
    construct(root, [".png"])
    assert rows(root)[1:] == [["p1", "p1/a.png"]]


def test_linked_patient_folders_are_followed(root: Path) -> None:
    fill(root.parent / "elsewhere", "a.png")
    fill(root, "p1/a.png")
    (root / "p2").symlink_to(root.parent / "elsewhere")
    construct(root, [".png"])
    assert rows(root)[1:] == [["p1", "p1/a.png"], ["p2", "p2/a.png"]]


# ---- paths and the file ----


def test_paths_are_absolute_unless_relative_ones_are_asked_for(root: Path) -> None:
    fill(root, "p1/a.png")
    output = root.parent / "csvs" / "deep" / "out.csv"
    construct_csv(root, [".png"], "unlabeled", output)
    assert read_manifest(output).samples[0].channels == (root / "p1/a.png",)
    construct_csv(root, [".png"], "unlabeled", output, relative_paths=True, overwrite=True)
    assert output.read_text() == "SubjectID,Channel_0\np1,../../data/p1/a.png\n"
    assert read_manifest(output).samples[0].channels[0].exists()


def test_relative_paths_work_where_the_csv_lies_behind_a_link(root: Path) -> None:
    fill(root, "p1/a.png")
    (root.parent / "far" / "away").mkdir(parents=True)
    (root.parent / "link").symlink_to(root.parent / "far" / "away")
    construct_csv(root, [".png"], "unlabeled", root.parent / "link" / "out.csv", relative_paths=True)
    assert read_manifest(root.parent / "link" / "out.csv").samples[0].channels[0].exists()


def test_names_with_separators_and_quotes_survive(root: Path) -> None:
    fill(root, 'p,1/a "b", c;d.png')
    construct(root, [".png"])
    assert read_manifest(root.parent / "out.csv").samples[0].channels[0].exists()


def test_an_existing_csv_is_kept_unless_told_otherwise(root: Path) -> None:
    fill(root, "p1/a.png")
    output = root.parent / "out.csv"
    output.write_text("mine")
    with pytest.raises(DataError, match=r"out\.csv: exists; choose another name, or add overwrite"):
        construct(root, [".png"])
    assert output.read_text() == "mine"
    construct_csv(root, [".png"], "unlabeled", output, overwrite=True)
    assert output.read_text().startswith("SubjectID")


def test_the_order_does_not_depend_on_the_file_system(root: Path) -> None:
    names = [f"c{index % 3}/p{index}/x.png" for index in range(30)]
    fill(root, *names)
    construct(root, [".png"], "custom")
    again = root.parent / "again" / "data"
    fill(again, *reversed(names))
    construct(again, [".png"], "custom")
    assert (root.parent / "out.csv").read_bytes() == (again.parent / "out.csv").read_bytes()


# ---- problems ----


@pytest.mark.parametrize("endings", [[], [""], ["t1.nii", " "], ["t1.nii", "t1.nii"]])
def test_endings_that_make_no_sense(root: Path, endings: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"channel_endings: '.*' has an empty or repeated ending"):
        construct(root, endings)


def test_input_that_is_no_folder(root: Path) -> None:
    fill(root, "file")
    with pytest.raises(DataError, match="nowhere: does not exist"):
        construct(root / "nowhere", [".png"])
    with pytest.raises(DataError, match="file: is not a folder"):
        construct(root / "file", [".png"])


def test_missing_and_ambiguous_channels_of_all_folders_at_once(root: Path) -> None:
    fill(root, *(f"good/{name}" for name in MS), "p1/t1.nii.gz", "p1/t2.nii.gz", "p1/notes.txt")
    fill(root, "p2/x_t1.nii.gz", "p2/x-t1.nii.gz", "p2/x_t1ce.nii.gz", "p2/x_t2.nii.gz", "p3/seg.nii.gz")
    found = problems(root, MS)
    expected = "expected one file for each of 't1.nii.gz', 't1ce.nii.gz', 't2.nii.gz'"
    assert f"ROOT/p1: {expected}; has none for 't1ce.nii.gz'; found notes.txt, t1.nii.gz, t2.nii.gz" in found
    two = "found x-t1.nii.gz, x_t1.nii.gz, x_t1ce.nii.gz, x_t2.nii.gz"
    assert f"ROOT/p2: {expected}; has 2 for 't1.nii.gz'; {two}" in found
    none = "expected files that end with 't1.nii.gz', 't1ce.nii.gz', 't2.nii.gz'; has none; found seg.nii.gz"
    assert f"ROOT/p3: {none}" in found
    assert len(found) == 3


def test_folders_without_such_files_are_left_out_with_a_note(root: Path) -> None:
    fill(root, "p1/a.png", "docs/manual.pdf")
    (root / "empty").mkdir()
    report = construct(root, [".png"])
    assert report.warnings == ("2 folders hold no matching file and are left out: docs, empty",)


def test_a_class_of_which_nothing_matches_is_a_problem(root: Path) -> None:
    fill(root, "a/p1/x_t1.png", "b/p2/y.png", "b/p3/z.png")
    expected = "ROOT/b: expected files that end with '_t1.png'; has none; found p2/y.png, p3/z.png"
    assert problems(root, ["_t1.png"], "custom") == [expected]


def test_nothing_matches(root: Path) -> None:
    fill(root, *(f"p{n}/{n}_{channel}.nii.gz" for n in range(3) for channel in ("t1", "flair")), "p0/a.txt")
    seen = "endings seen: _flair.nii.gz (3), _t1.nii.gz (3), a.txt (1)"
    assert problems(root, ["t9.nii.gz"]) == [f"ROOT: no file ends with 't9.nii.gz'; {seen}"]


def test_endings_seen_are_extensions_when_names_are_many(root: Path) -> None:
    fill(root, *(f"p/image_{n}.png" for n in range(40)), "p/x.nii.gz")
    assert problems(root, [".jpg"]) == ["ROOT: no file ends with '.jpg'; endings seen: .png (40), .nii.gz (1)"]


def test_nothing_there_at_all(root: Path) -> None:
    assert problems(root, [".jpg"]) == ["ROOT: no file ends with '.jpg'; endings seen: none, there are no files"]


def test_an_ending_in_the_middle_of_a_word(root: Path) -> None:
    fill(root, "p1/flair.nii.gz")
    (text,) = problems(root, ["air.nii.gz"])
    assert text.endswith("p1/flair.nii.gz ends with it in the middle of a word: write the whole word")


def test_custom_needs_class_folders(root: Path) -> None:
    fill(root, "1.jpg", "2.jpg", "a/3.jpg")
    allowed = "allowed: <class>/<patient>/<files> or <class>/<files> for custom"
    assert problems(root, [".jpg"], "custom") == [f"ROOT: 2 files lie in no class folder: 1.jpg, 2.jpg; {allowed}"]


def test_names_that_are_not_text(root: Path) -> None:
    (root / "p1").mkdir()
    with open(os.path.join(os.fsencode(root), b"p1", b"M\xfcller.png"), "wb"):  # noqa: PTH118, PTH123
        pass
    (text,) = problems(root, [".png"])
    assert text == "ROOT: the name 'p1/M\\udcfcller.png' is not UTF-8 text; rename it"
