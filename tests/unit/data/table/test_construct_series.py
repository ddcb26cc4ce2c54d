"""CSVs of DICOM trees by what the headers say."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid
from tests.factories import write_series

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.table.construct_series import construct_by_series
from gandlf_synth.data.table.dicom_folders import holds_volumes
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.errors import DataError

SHARED = Path(__file__).parents[5] / "shared" / "data" / "dicom_mr"


def in_study(folder: Path, study: str) -> None:
    for file in folder.glob("*.dcm"):
        dataset = pydicom.dcmread(file)
        dataset.StudyInstanceUID = study
        dataset.save_as(file)


def test_series_in_one_folder_are_named_by_their_numbers(tmp_path: Path) -> None:
    first = write_series(tmp_path / "in" / "p1", number=3)
    write_series(tmp_path / "in" / "p1", number=5, seed=1)
    write_series(tmp_path / "in" / "p2", number=3)
    write_series(tmp_path / "in" / "single", 1)

    made = construct_by_series(tmp_path / "in", tmp_path / "a.csv", tmp_path / "cache")

    assert made.report.rows == 3
    assert made.kind == "CT volumes of 1 channel"
    assert made.left_out == ("1 CT pictures of 1 channel, unlike the 3 CT volumes of 1 channel: single/1-IM0.dcm",)
    cells = [sample.channels[0] for sample in read_manifest(tmp_path / "a.csv").samples]
    assert [cell.name for cell in cells] == ["p1#3", "p1#5", "p2"]
    assert np.array_equal(read_image(cells[0]).array[0], first - 1024.0)


def test_what_cannot_be_a_volume_is_left_out_with_its_reason(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "good")
    write_series(tmp_path / "in" / "gap")
    heights = {file: pydicom.dcmread(file).ImagePositionPatient[0] for file in (tmp_path / "in" / "gap").iterdir()}
    sorted(heights, key=heights.__getitem__)[2].unlink()
    write_series(tmp_path / "in" / "twins", number=1)
    write_series(tmp_path / "in" / "twins", number=2)
    for file in (tmp_path / "in" / "twins").glob("2-*"):
        dataset = pydicom.dcmread(file)
        dataset.SeriesNumber = 1
        dataset.save_as(file)
    (tmp_path / "in" / "damaged").mkdir()
    (tmp_path / "in" / "damaged" / "a.dcm").write_bytes(b"no")

    made = construct_by_series(tmp_path / "in", tmp_path / "a.csv", tmp_path / "cache")

    reasons = "\n".join(made.left_out)
    assert "damaged: a.dcm is not a DICOM file" in reasons
    assert "twins: #1 (CT, 5 files of 7×6) shares its number with another series" in reasons
    assert "gap: #1 (CT, 4 files of 7×6) has a gap of 5.00 mm" in reasons
    assert made.report.rows == 1


def test_images_of_one_study_are_one_subject_wherever_they_lie(tmp_path: Path) -> None:
    study = generate_uid()
    for place in ("a/brain", "a/crop", "b/other", "c"):
        write_series(tmp_path / "in" / place)
        in_study(tmp_path / "in" / place, generate_uid() if place == "c" else study)

    construct_by_series(tmp_path / "in", tmp_path / "a.csv", tmp_path / "cache")

    assert [sample.subject for sample in read_manifest(tmp_path / "a.csv").samples].count("c") == 1
    assert len({sample.subject for sample in read_manifest(tmp_path / "a.csv").samples}) == 2
    assert study not in (tmp_path / "a.csv").read_text()


def test_class_folders_are_classes_and_patient_folders_are_not(tmp_path: Path) -> None:
    for name in ("ill", "well"):
        for number in range(3):
            folder = tmp_path / "classes" / name / f"{name}{number}"
            write_series(folder)
            in_study(folder, generate_uid())
    for patient in ("p1", "p2"):
        study = generate_uid()
        for number in range(3):
            folder = tmp_path / "patients" / patient / generate_uid()[-9:]
            write_series(folder, number=number)
            in_study(folder, study)

    classes = construct_by_series(tmp_path / "classes", tmp_path / "a.csv", tmp_path / "cache")
    patients = construct_by_series(tmp_path / "patients", tmp_path / "b.csv", tmp_path / "cache")

    assert classes.report.classes == {"ill": 3, "well": 3}
    assert patients.report.classes == {}
    assert patients.report.subjects == 2


def test_nothing_usable_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(b"no")

    assert not holds_volumes(tmp_path / "in")
    with pytest.raises(DataError, match=r"holds no DICOM image that can be used: \.: a\.dcm is not a DICOM file"):
        construct_by_series(tmp_path / "in", tmp_path / "a.csv", tmp_path / "cache")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data")
def test_a_whole_tree_of_real_dicom(tmp_path: Path) -> None:
    made = construct_by_series(SHARED, tmp_path / "a.csv", tmp_path / "cache")

    assert (made.report.rows, made.report.subjects, made.kind) == (7, 3, "MR volumes of 1 channel")
    assert "they show different things" in made.report.warnings[0]
    assert len(made.left_out) == 4
