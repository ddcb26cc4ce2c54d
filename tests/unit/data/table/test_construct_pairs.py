"""CSVs of images that others are made from: sources, masks, regions, tables of people, layouts of challenges."""

import csv
from pathlib import Path

import pytest

from gandlf_synth.data.table.construct import ConstructReport, construct_csv
from gandlf_synth.data.table.folder_samples import Endings
from gandlf_synth.errors import DataError


def fill(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def construct(root: Path, endings: Endings | None, participants: Path | None = None) -> ConstructReport:
    output = root.parent / "out.csv"
    return construct_csv(root, endings, "unlabeled", output, relative_paths=True, participants=participants)


def rows(root: Path) -> list[list[str]]:
    with (root.parent / "out.csv").open(newline="") as file:
        return [[cell.removeprefix(f"{root.name}/") for cell in row] for row in csv.reader(file)]


T1_TO_FLAIR = Endings(("flair.nii.gz",), ("t1.nii.gz", "t2.nii.gz"), mask="seg.nii.gz")


def test_a_source_or_mask_that_a_patient_lacks_is_an_empty_cell(tmp_path: Path) -> None:
    names = ("flair.nii.gz", "t1.nii.gz", "t2.nii.gz", "seg.nii.gz")
    root = fill(tmp_path / "in", *(f"p1/{name}" for name in names), "p2/flair.nii.gz", "p2/t2.nii.gz")

    construct(root, T1_TO_FLAIR)

    assert rows(root) == [
        ["SubjectID", "Channel_0", "Source_0", "Source_1", "Mask"],
        ["p1", "p1/flair.nii.gz", "p1/t1.nii.gz", "p1/t2.nii.gz", "p1/seg.nii.gz"],
        ["p2", "p2/flair.nii.gz", "", "p2/t2.nii.gz", ""],
    ]


def test_patients_with_one_side_only_are_unpaired_rows_and_said_so(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "a/t1.png", "b/t1.png", "c/t2.png")

    report = construct(root, Endings(("t2.png",), ("t1.png",)))

    assert rows(root)[1:] == [["a", "", "a/t1.png"], ["b", "", "b/t1.png"], ["c", "c/t2.png", ""]]
    assert any(
        "2 samples have sources and no image to learn from them" in note and "a, b" in note for note in report.warnings
    )
    assert any("1 samples have no source: c" in note for note in report.warnings)


def test_a_channel_that_is_missing_beside_another_is_still_an_error(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "a/t1.png", "a/t2.png", "a/s.png", "b/t1.png", "b/s.png")

    with pytest.raises(DataError, match=r"none for 't2\.png'"):
        construct(root, Endings(("t1.png", "t2.png"), ("s.png",)))


def test_participants_add_their_columns_by_subject(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "sub-01/t1.png", "sub-02/t1.png", "sub-03/t1.png")
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\tsex\nsub-02\tn/a\tF\nsub-01\t63\tM\n")

    report = construct(root, Endings(("t1.png",)), table)

    assert rows(root) == [
        ["SubjectID", "Channel_0", "age", "sex"],
        ["sub-01", "sub-01/t1.png", "63", "M"],
        ["sub-02", "sub-02/t1.png", "", "F"],
        ["sub-03", "sub-03/t1.png", "", ""],
    ]
    assert any("says nothing of 1 subject: sub-03" in note for note in report.warnings)


def test_participants_of_other_people_are_an_error(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "p1/t1.png")
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\nsub-9\t63\n")

    with pytest.raises(DataError, match=r"has none of the 1 subject \(p1\); it has 9"):
        construct(root, Endings(("t1.png",)), table)
    assert not (tmp_path / "out.csv").exists()


def test_a_person_twice_is_an_error(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "p1/t1.png")
    table = tmp_path / "participants.csv"
    table.write_text("SubjectID,age\np1,63\np1,64\n")

    with pytest.raises(DataError, match=r"line 3: has 'p1' again"):
        construct(root, Endings(("t1.png",)), table)


def test_nnunet_labels_are_masks(tmp_path: Path) -> None:
    names = ("imagesTr/c1_0000.nii.gz", "imagesTr/c1_0001.nii.gz", "labelsTr/c1.nii.gz", "imagesTs/x_0000.nii.gz")
    root = fill(tmp_path / "in", *names, "imagesTr/c2_0000.nii.gz", "imagesTr/c2_0001.nii.gz", "dataset.json")

    report = construct(root, None)

    assert rows(root) == [
        ["SubjectID", "Channel_0", "Channel_1", "Mask"],
        ["c1", "imagesTr/c1_0000.nii.gz", "imagesTr/c1_0001.nii.gz", "labelsTr/c1.nii.gz"],
        ["c2", "imagesTr/c2_0000.nii.gz", "imagesTr/c2_0001.nii.gz", ""],
    ]
    assert any("nnU-Net" in note for note in report.warnings)
    assert any("imagesTs" in note for note in report.warnings)


def test_synthrad_makes_ct_from_mr_whatever_region_folders_there_are(tmp_path: Path) -> None:
    cases = ("AB/1ABA005", "AB/1ABA009", "HN/1HNA001")
    root = fill(tmp_path / "in", *(f"{case}/{name}.mha" for case in cases for name in ("mr", "ct", "mask")))

    construct(root, None)

    assert rows(root)[0] == ["SubjectID", "Channel_0", "Source_0", "Mask"]
    assert rows(root)[1] == ["1ABA005", *(f"AB/1ABA005/{name}.mha" for name in ("ct", "mr", "mask"))]
    assert len(rows(root)) == 4


def test_brats_has_four_channels_and_its_inpainting_a_region(tmp_path: Path) -> None:
    case = "BraTS-GLI-00000-000"
    root = fill(tmp_path / "in", *(f"{case}/{case}-{word}.nii.gz" for word in ("t1n", "t1c", "t2w", "t2f", "seg")))
    holes = ("t1n", "t1n-voided", "mask", "mask-healthy", "mask-unhealthy")
    inpainting = fill(tmp_path / "holes" / "in", *(f"{case}/{case}-{word}.nii.gz" for word in holes))

    construct(root, None)
    construct(inpainting, None)

    assert rows(root)[0] == ["SubjectID", "Channel_0", "Channel_1", "Channel_2", "Channel_3", "Mask"]
    assert rows(root)[1][3] == f"{case}/{case}-t2w.nii.gz"
    names = [f"{case}/{case}-{word}.nii.gz" for word in ("t1n", "mask-healthy", "mask-unhealthy")]
    assert rows(inpainting) == [["SubjectID", "Channel_0", "Region", "Mask"], [case, *names]]


def test_another_folder_is_asked_for_its_endings(tmp_path: Path) -> None:
    root = fill(tmp_path / "in", "p1/a.png")

    with pytest.raises(DataError, match=r"none of the layouts that are known.*channel_endings"):
        construct(root, None)
