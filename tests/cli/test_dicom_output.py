"""``--format dicom`` as a user meets it: for new images, for rows with DICOM sources and masks, for reconstructions."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.dicom_tools import UNKNOWN_MARK, contradictions_of, errors_of, needs
from tests.factories import Cli, TinyConfig, put_into_study, read_table, write_nifti, write_series, write_table

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import read_provenance


@pytest.fixture
def studies(tmp_path: Path) -> list[Path]:
    """Three studies, each with two CT series in one frame of reference and a mask in NIfTI."""
    folders = []
    for number in range(3):
        folder = tmp_path / f"p{number}"
        for seed, series in enumerate(("plain", "contrast")):
            write_series(folder / series, 6, number=seed + 1, seed=10 * number + seed)
            put_into_study(folder / series, f"1.2.3.{number}")
        grid = read_image(folder / "plain").geometry
        mask = np.zeros(grid.shape, np.uint8)
        mask[2:5, 1:4, 1:4] = 1 + number % 2
        write_nifti(folder / "mask.nii.gz", mask, grid.affine)
        folders.append(folder)
    return folders


def test_new_images_are_series_that_can_be_trained_on_and_asked_where_they_come_from(
    cli: Cli, studies: list[Path], tiny_config: TinyConfig, tmp_path: Path
) -> None:
    data = write_table(tmp_path / "data.csv", ["Channel_0"], [[str(study / "plain")] for study in studies])
    code, _, err = cli("train", "-c", tiny_config([8, 8, 8]), "-dt", data, "-m-dir", tmp_path / "model")
    assert code == 0, err

    made = []
    for _ in range(2):
        code, out, err = cli("generate", "-m-dir", tmp_path / "model", "-n", 2, "--format", "dicom")
        assert code == 0, err
        made.append(Path(out.strip()))

    images = [made[0] / f"generated_image_{number}" for number in range(2)]
    for image in images:
        assert read_image(image).modality == "CT"
        assert read_image(image).array.shape == (1, 8, 8, 8)
    again = [[file.read_bytes() for file in sorted(folder.rglob("*.dcm"))] for folder in made]
    assert len(again[0]) == 16
    assert again[0] == again[1]
    code, out, _ = cli("doctor", images[1], "--json")
    assert code == 0
    assert f'"seed": {(read_provenance(images[1]) or {})["seed"]}' in out
    code, out, _ = cli("doctor", made[0])
    assert code == 0, out
    assert "generated_image_1 is as it was made" in out
    code, _, err = cli(
        "check", "-c", tiny_config([8, 8, 8]), "-dt", made[0] / "inference_logs" / "images.csv", "--fast"
    )
    assert code == 0, err


def test_images_made_from_dicom_stay_in_its_study_with_their_mask(
    cli: Cli, studies: list[Path], tiny_config: TinyConfig, tmp_path: Path
) -> None:
    pytest.importorskip("highdicom")
    columns = ["SubjectID", "Channel_0", "Source_0", "Mask"]
    rows = [[study.name, study / "contrast", study / "plain", study / "mask.nii.gz"] for study in studies]
    config = tiny_config([8, 8, 8])
    config.write_text(config.read_text().replace("model_name: ddpm", "model_name: ddpm\n  conditioning: [image, mask]"))
    data = write_table(tmp_path / "data.csv", columns, rows)
    code, _, err = cli("train", "-c", config, "-dt", data, "-m-dir", tmp_path / "model")
    assert code == 0, err
    asked = write_table(tmp_path / "asked.csv", ["SubjectID", *columns[2:]], [[row[0], *row[2:]] for row in rows[:1]])

    code, out, err = cli("generate", "-m-dir", tmp_path / "model", "-dt", asked, "--format", "dicom")

    assert code == 0, err
    assert "keep patient and study of the DICOM images that they are made from" in err
    folder = Path(out.strip())
    (row,) = read_table(folder / "inference_logs" / "images.csv")
    image = folder / "inference_logs" / row["Channel_0"]
    source, made = read_image(studies[0] / "plain"), read_image(image)
    assert np.array_equal(made.geometry.affine, source.geometry.affine)
    assert made.frame == source.frame
    header, given = (pydicom.dcmread(sorted(where.iterdir())[0]) for where in (image, studies[0] / "plain"))
    assert header.StudyInstanceUID == given.StudyInstanceUID
    assert header.PatientName == given.PatientName
    (labels,) = folder.glob("*labels*.dcm")
    assert np.array_equal(read_image(labels).array, read_image(studies[0] / "mask.nii.gz").array)
    assert read_image(labels).geometry.matches(made.geometry)
    assert_clean([labels, *image.iterdir()])
    code, out, _ = cli("doctor", folder)
    assert code == 0, out


def assert_clean(files: list[Path]) -> None:
    if not needs("dciodvfy").args[0]:
        assert [error for file in files for error in errors_of(file)] == [UNKNOWN_MARK] * len(files)
        assert contradictions_of(files) == ""


def test_rows_in_two_frames_of_reference_are_named(
    cli: Cli, studies: list[Path], tiny_config: TinyConfig, tmp_path: Path
) -> None:
    put_into_study(studies[1] / "contrast", "1.2.3.1", frame="1.2.3.77")
    rows = [[study.name, study / "contrast", study / "plain"] for study in studies]
    data = write_table(tmp_path / "data.csv", ["SubjectID", "Channel_0", "Source_0"], rows)
    config = tiny_config([8, 8, 8])
    config.write_text(config.read_text().replace("model_name: ddpm", "model_name: ddpm\n  conditioning: [image]"))

    report = tmp_path / "report.json"
    code, _, err = cli("check", "-c", config, "-dt", data, "--fast", "--json", report)

    assert code == 0, err
    (found,) = [each for each in json.loads(report.read_text())["findings"] if each["kind"] == "frame of reference"]
    assert (found["severity"], found["row"]) == ("warning", 2)
    assert f"row 2, column Source_0 ({studies[1] / 'plain'})" in found["where"]
    assert "lies in another frame of reference than Channel_0" in found["what"]
    assert "1.2.3.77" not in report.read_text(), "identifiers stay in the files"
