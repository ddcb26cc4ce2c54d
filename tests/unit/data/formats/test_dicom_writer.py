"""Written DICOM keeps to the standard, is known as synthetic, and lies where it lay, whoever reads it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from tests.dicom_tools import UNKNOWN_MARK, contradictions_of, converted, errors_of, needs
from tests.factories import PATIENT_NAME, put_into_study, write_nifti, write_series

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import choose_writer, read_provenance
from gandlf_synth.data.formats.writers.dicom import DicomWriter
from gandlf_synth.data.formats.writers.dicom_segmentation import DicomSegmentationWriter
from gandlf_synth.errors import ConfigError
from gandlf_synth.geometry import LPS_FROM_RAS, Geometry, picture_geometry

PROVENANCE = {
    "mark": "SYNTHETIC image", "model_name": "ddpm", "weights_sha256": "d07c1df95c53b59a", "seed": 7, "index": 3,
    "class": "Größe\\klein", "software": {"gandlf-synth": "0.1.0"},
}  # fmt: skip
TURNED = np.array([[1.6, -0.72, 0, -12], [1.2, 0.96, 0, 5], [0, 0, 2.5, 33], [0, 0, 0, 1]])
_TILT = np.array([[1, 0, 0, 0], [0, 0.96, -0.28, 0], [0, 0.28, 0.96, 0], [0, 0, 0, 1]])
OBLIQUE = _TILT @ TURNED
LEFT_HANDED = OBLIQUE @ np.diag([-1.0, 1, 1, 1])
SAGITTAL = OBLIQUE[:, [1, 2, 0, 3]]
SHAPE = (7, 5, 6)


@dataclass(frozen=True)
class Case:
    writer: str
    values: Any
    geometry: Geometry
    modality: str = ""

    def write(self, folder: Path, **provenance: Any) -> Path:
        about = PROVENANCE | ({"modality": self.modality} if self.modality else {}) | provenance
        registry.load("writers", self.writer)()(folder / "made", self.values, self.geometry, about)
        return folder / "made"


def values(number_type: str, low: float, high: float, shape: tuple[int, ...] = (1, *SHAPE)) -> Any:
    return np.random.default_rng(0).uniform(low, high, shape).astype(number_type)


CASES = {
    "MR, whole numbers, oblique": Case("dicom", values("int16", -5, 4000), Geometry(SHAPE, OBLIQUE), "MR"),
    "MR, unsigned, sagittal": Case("dicom", values("uint16", 0, 65000), Geometry(SHAPE, SAGITTAL), "MR"),
    "MR, fractions, left-handed": Case("dicom_mr", values("float32", -3, 1.7e6), Geometry(SHAPE, LEFT_HANDED)),
    "MR, one slice": Case("dicom_mr", values("int16", 0, 4000, (1, 7, 5)), Geometry((7, 5), OBLIQUE)),
    "CT, left to right": Case("dicom_ct", values("int16", -1024, 3000), Geometry(SHAPE, np.diag([-1.0, 1, 2, 1]))),
    "CT, fractions": Case("dicom", values("float32", -1024, 3000), Geometry(SHAPE, np.diag([1.0, 1, 2, 1])), "CT"),
    "unknown modality": Case("dicom", values("int32", -5, 2e6), Geometry(SHAPE, OBLIQUE)),
    "8-bit picture": Case("dicom", values("uint8", 0, 255, (1, 7, 5)), picture_geometry((7, 5))),
    "16-bit X-ray": Case("dicom", values("uint16", 0, 4000, (1, 7, 5)), picture_geometry((7, 5)), "DX"),
    "color": Case("dicom", values("uint8", 0, 255, (3, 7, 5)), picture_geometry((7, 5))),
    "one value": Case("dicom_mr", np.full((1, *SHAPE), 0.3, np.float32), Geometry(SHAPE)),
}  # fmt: skip
VOLUMES = {name: case for name, case in CASES.items() if case.geometry.spatial_dims == 3}


def half_step(case: Case) -> float:
    """Return half of what one of 65,535 steps is wide; whole numbers of 16 bits are kept."""
    if case.values.dtype.itemsize <= 2:
        return 0.0
    return float(np.ptp(case.values.astype(float)) / 65534 / 2 + 2e-7 * np.abs(case.values).max())


@needs("dciodvfy")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_files_keep_to_the_standard(tmp_path: Path, case: Case) -> None:
    files = sorted(case.write(tmp_path).iterdir())

    assert len(files) == (case.geometry.shape[2] if case.geometry.spatial_dims == 3 else 1)
    for file in (files[0], files[-1]):
        assert errors_of(file) == [UNKNOWN_MARK]
    assert contradictions_of(files) == ""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written_is_read_back(tmp_path: Path, case: Case) -> None:
    folder = case.write(tmp_path)

    image = read_image(folder)

    assert image.array.shape == case.values.shape
    assert np.abs(image.array - case.values.astype(float)).max() <= half_step(case)
    assert image.geometry.physical == case.geometry.physical
    assert image.geometry.matches(case.geometry, 1e-9)
    assert image.modality == {"dicom_mr": "MR", "dicom_ct": "CT"}.get(case.writer, case.modality or "OT")
    about = read_provenance(folder)
    assert about is not None
    assert about["class"] == PROVENANCE["class"]
    assert read_provenance(sorted(folder.iterdir())[0]) == about


@pytest.mark.parametrize("case", VOLUMES.values(), ids=VOLUMES)
def test_simpleitk_reads_the_same(tmp_path: Path, case: Case) -> None:
    folder = case.write(tmp_path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    other = sitk.ReadImage(names)

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(other.GetDirection(), (3, 3)) * other.GetSpacing()
    affine[:3, 3] = other.GetOrigin()
    read = Image.from_file_values(
        sitk.GetArrayFromImage(other).T[None].astype(np.float64), Geometry(other.GetSize(), LPS_FROM_RAS @ affine)
    )
    assert_same(read, case)


@needs("dcm2niix")
@pytest.mark.parametrize("case", VOLUMES.values(), ids=VOLUMES)
def test_dcm2niix_makes_the_same_of_it(tmp_path: Path, case: Case) -> None:
    (file,) = converted(case.write(tmp_path), tmp_path / "nifti")
    other = nib.load(file)

    read = Image.from_file_values(other.get_fdata()[None], Geometry(other.shape, other.affine))
    assert_same(read, case, 1e-3)


def assert_same(read: Image, case: Case, tolerance: float = 1e-4) -> None:
    """Compare with the axes laid alike: other programs number left-handed slices from the other end."""
    mine = Image.from_file_values(case.values, case.geometry).canonical()
    theirs = read.canonical()

    assert theirs.geometry.matches(mine.geometry, tolerance)
    assert np.abs(theirs.array - mine.array).max() <= half_step(case) + 1e-6 * np.abs(mine.array).max()


def test_a_series_has_one_scale_and_one_window(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 6, dtype=np.float32) * np.ones((1, 7, 5, 6), np.float32) * 1e4
    headers = headers_of(Case("dicom_mr", ramp, Geometry(SHAPE, OBLIQUE)).write(tmp_path))

    for name in ("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"):
        assert len({str(header[name].value) for header in headers}) == 1, name
    assert float(headers[0].WindowCenter) == pytest.approx(5000, rel=0.01)


def headers_of(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(file) for file in sorted(folder.iterdir())]


def test_files_say_that_they_are_synthetic_and_what_made_them(tmp_path: Path) -> None:
    headers = headers_of(CASES["MR, whole numbers, oblique"].write(tmp_path))

    for header in headers:
        assert header.SyntheticData == "YES"
        assert header.PatientIdentityRemoved == "YES"
        assert header.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert header.SeriesDescription == "SYNTHETIC Größe klein"
        (equipment,) = header.ContributingEquipmentSequence
        (purpose,) = equipment.PurposeOfReferenceCodeSequence
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
        assert equipment.ContributionDescription == "model d07c1df95c53b59a, seed 7, index 3"
        assert header.StudyDate == header.SeriesDate == header.ContentDate == ""
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)


def test_identifiers_follow_from_what_an_image_was_made_of(tmp_path: Path) -> None:
    case = CASES["MR, whole numbers, oblique"]
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).mkdir()
    first, again = headers_of(case.write(tmp_path / "a")), headers_of(case.write(tmp_path / "b"))
    other_seed = headers_of(case.write(tmp_path / "c", seed=8))
    other_values = headers_of(Case("dicom", case.values + 1, case.geometry, "MR").write(tmp_path / "d"))

    bytes_of = [[file.read_bytes() for file in sorted((tmp_path / name / "made").iterdir())] for name in ("a", "b")]
    assert bytes_of[0] == bytes_of[1]
    assert [header.SOPInstanceUID for header in first] == [header.SOPInstanceUID for header in again]
    assert first[0].StudyInstanceUID != other_seed[0].StudyInstanceUID
    assert first[0].PatientID != other_seed[0].PatientID
    for name in ("SeriesInstanceUID", "SOPInstanceUID"):
        assert len({str(headers[0][name].value) for headers in (first, other_seed, other_values)}) == 3, name


def test_parts_of_one_image_are_series_of_one_study(tmp_path: Path) -> None:
    case = CASES["MR, whole numbers, oblique"]
    headers = []
    for number, name in ((1, "t1"), (2, "flair")):
        (tmp_path / name).mkdir()
        headers += headers_of(case.write(tmp_path / name, part={"number": number, "name": name}))[:1]

    assert len({header.StudyInstanceUID for header in headers}) == 1
    assert len({header.FrameOfReferenceUID for header in headers}) == 1
    assert [header.SeriesNumber for header in headers] == [1, 2]
    assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A CT series of a named patient, with everything that a study has."""
    write_series(tmp_path / "source", 6)
    return put_into_study(tmp_path / "source", "1.2.3.4", name="Müller^Jö")


def test_a_translation_stays_in_the_study_of_its_source(tmp_path: Path, source: Path) -> None:
    image = read_image(source)
    writer = registry.load("writers", "dicom_mr")().made_from([source])
    writer(tmp_path / "made", image.array.astype(np.int16), image.geometry, {**PROVENANCE, "row": 1})

    made, given = headers_of(tmp_path / "made"), headers_of(source)
    places = {tuple(header.ImagePositionPatient): header for header in given}
    for header in made:
        for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "StudyID",
                     "FrameOfReferenceUID"):  # fmt: skip
            assert header[name].value == given[0][name].value, name
        slice_of = places[tuple(header.ImagePositionPatient)]
        (reference,) = header.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == slice_of.SOPInstanceUID
        assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        assert header.ImageOrientationPatient == slice_of.ImageOrientationPatient
    assert not {header.SOPInstanceUID for header in made} & {header.SOPInstanceUID for header in given}
    assert made[0].SeriesInstanceUID != given[0].SeriesInstanceUID
    assert "PatientIdentityRemoved" not in made[0], "nobody removed it from the source"
    read = read_image(tmp_path / "made")
    assert np.array_equal(read.geometry.affine, image.geometry.affine), "to the last bit"
    assert read.frame == image.frame != ""
    assert "keep patient and study" in writer.remark("CT")


@needs("dciodvfy")
def test_a_translation_keeps_to_the_standard_beside_its_source(tmp_path: Path, source: Path) -> None:
    put_into_study(source, "1.2.3.4")  # dcentvfy compares bytes, which differ between two character sets
    image = read_image(source)
    writer = registry.load("writers", "dicom_mr")().made_from([source])
    writer(tmp_path / "made", image.array.astype(np.int16), image.geometry, PROVENANCE)

    files = sorted((tmp_path / "made").iterdir())
    assert errors_of(files[2]) == [UNKNOWN_MARK]
    assert contradictions_of([*files, *source.iterdir()]) == ""


def test_an_image_made_from_another_format_is_of_nobody(tmp_path: Path) -> None:
    source = write_nifti(tmp_path / "source.nii.gz", np.zeros(SHAPE, np.int16), OBLIQUE)
    writer = DicomWriter().made_from([source])
    writer(tmp_path / "made", np.zeros((1, *SHAPE), np.int16), Geometry(SHAPE, OBLIQUE), PROVENANCE)

    (header, *_) = headers_of(tmp_path / "made")
    assert str(header.PatientID).startswith("SYNTH-")
    assert "SourceImageSequence" not in header


def test_a_source_without_a_study_is_said_and_gets_a_new_one(tmp_path: Path) -> None:
    write_series(tmp_path / "source")
    image = read_image(tmp_path / "source")
    writer = DicomWriter().made_from([tmp_path / "source"])
    writer(tmp_path / "made", image.array.astype(np.int16), image.geometry, PROVENANCE)

    assert "state no StudyInstanceUID, FrameOfReferenceUID" in writer.remark("CT")
    assert PATIENT_NAME not in str(headers_of(tmp_path / "made"))


def test_grids_that_dicom_cannot_hold_are_refused(tmp_path: Path) -> None:
    skew = TURNED.copy()
    skew[:3, 1] += [0.3, 0, 0]

    with pytest.raises(ConfigError, match=r"axes that are not at right angles.*allowed: nifti; choose another"):
        choose_writer("dicom", "rad", 3, "int16", grid=Geometry(SHAPE, skew))
    with pytest.raises(ConfigError, match="states no size in millimetres, which MR files of DICOM must"):
        choose_writer("dicom_mr", "rad", 2, "uint8", grid=picture_geometry((7, 5)))


@pytest.mark.parametrize(
    ("name", "modality", "told"),
    [
        ("dicom", "MR", ""),
        ("dicom", "CT", ""),
        ("dicom", "", "written as Secondary Capture, because the data does not say its modality"),
        ("dicom", "US", "because the data is US; choose the format dicom_mr or dicom_ct"),
        ("dicom_mr", "", ""),
        ("dicom_ct", "MR", "written as CT, as asked for, although the data says MR"),
    ],
)
def test_what_files_claim_to_be_is_said(name: str, modality: str, told: str) -> None:
    remark = registry.load("writers", name)().remark(modality)

    assert told in remark
    assert bool(told) == bool(remark)


def test_what_others_mark_as_synthetic_is_known(tmp_path: Path) -> None:
    write_series(tmp_path / "source")
    assert read_provenance(tmp_path / "source") is None

    for file in (tmp_path / "source").iterdir():
        header = pydicom.dcmread(file)
        header.SyntheticData = "YES"
        header.save_as(file)
    assert read_provenance(tmp_path / "source") == {"synthetic": True}


LABELS = np.random.default_rng(1).integers(0, 4, (1, *SHAPE)).astype(np.uint8)
GRIDS = {
    "oblique": Geometry(SHAPE, OBLIQUE),
    "left-handed": Geometry(SHAPE, LEFT_HANDED),
    "slice": Geometry((7, 5), OBLIQUE),
}


@pytest.mark.parametrize("geometry", GRIDS.values(), ids=GRIDS)
def test_label_maps_are_segments_that_are_read_back(tmp_path: Path, geometry: Geometry) -> None:
    pytest.importorskip("highdicom")
    labels = LABELS if geometry.spatial_dims == 3 else LABELS[..., 2]
    DicomWriter()(tmp_path / "image", labels.astype(np.int16), geometry, {**PROVENANCE, "modality": "MR"})
    writer = DicomSegmentationWriter().made_from([tmp_path / "image"])

    writer(tmp_path / "labels.dcm", labels, geometry, PROVENANCE)
    first = (tmp_path / "labels.dcm").read_bytes()
    writer(tmp_path / "labels.dcm", labels, geometry, PROVENANCE)

    assert (tmp_path / "labels.dcm").read_bytes() == first
    read = read_image(tmp_path / "labels.dcm")
    assert np.array_equal(read.array, labels)
    assert read.geometry.matches(geometry, 1e-6)
    header, image = pydicom.dcmread(tmp_path / "labels.dcm"), headers_of(tmp_path / "image")
    (series,) = header.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == image[0].SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == {
        one.SOPInstanceUID for one in image
    }
    assert header.StudyInstanceUID == image[0].StudyInstanceUID
    assert header.SyntheticData == "YES"
    assert (read_provenance(tmp_path / "labels.dcm") or {})["seed"] == 7


@needs("dciodvfy")
@pytest.mark.parametrize("of_image", [True, False])
def test_segmentations_keep_to_the_standard(tmp_path: Path, of_image: bool) -> None:
    pytest.importorskip("highdicom")
    DicomWriter()(tmp_path / "image", LABELS.astype(np.int16), GRIDS["oblique"], {**PROVENANCE, "modality": "MR"})
    writer = DicomSegmentationWriter()
    (writer.made_from([tmp_path / "image"]) if of_image else writer)(
        tmp_path / "labels.dcm", LABELS, GRIDS["oblique"], PROVENANCE
    )

    assert errors_of(tmp_path / "labels.dcm") == [UNKNOWN_MARK]
    if of_image:
        assert contradictions_of([tmp_path / "labels.dcm", *(tmp_path / "image").iterdir()]) == ""
    assert "ReferencedSeriesSequence" in pydicom.dcmread(tmp_path / "labels.dcm") or not of_image


def test_the_provenance_is_json_of_any_length(tmp_path: Path) -> None:
    folder = CASES["8-bit picture"].write(tmp_path, notes=["long"] * 2000)

    assert json.loads(DicomWriter().embedded_text(folder) or "")["notes"] == ["long"] * 2000
