"""DICOM: values in the modality's units, slices by position, and nothing of the patient anywhere."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless, generate_uid
from tests.factories import DICOM_DIRECTIONS, PATIENT_NAME, dicom_slice, write_series

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import identity, scan_file


def test_a_folder_is_a_volume_sorted_by_position_in_hounsfield_units(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "ct")

    image = read_image(tmp_path / "ct")

    assert np.array_equal(image.array[0], voxels - 1024.0)
    assert image.modality == "CT"
    assert image.dtype == "int16"
    assert np.allclose(image.geometry.spacing, (0.8, 0.5, 2.5))
    first = image.geometry.affine @ [0, 0, 0, 1]
    assert np.allclose(first[:3], (10, -20, 30))  # LPS to RAS
    last = image.geometry.affine @ [6, 5, 4, 1]
    lps = [-10, 20, 30] + 6 * 0.8 * DICOM_DIRECTIONS[:3] + 5 * 0.5 * DICOM_DIRECTIONS[3:]
    lps = lps + 4 * 2.5 * np.cross(DICOM_DIRECTIONS[:3], DICOM_DIRECTIONS[3:])
    assert np.allclose(last[:3], lps * [-1, -1, 1], atol=1e-5)


def test_the_grid_is_that_which_simpleitk_finds(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "ct"))
    reference = sitk.ReadImage(names)

    image = read_image(tmp_path / "ct")

    assert np.array_equal(image.array[0], sitk.GetArrayFromImage(reference).T)
    corner = reference.TransformIndexToPhysicalPoint((6, 5, 4))
    assert np.allclose((image.geometry.affine @ [6, 5, 4, 1])[:3] * [-1, -1, 1], corner, atol=1e-3)


def test_a_fractional_slope_is_applied(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "ct", slope=0.25)

    image = read_image(tmp_path / "ct")

    assert image.dtype == "float32"
    assert np.allclose(image.array[0], voxels * 0.25 - 1024)


def test_several_series_are_listed_and_one_can_be_named(tmp_path: Path) -> None:
    write_series(tmp_path / "study", 4, number=3)
    voxels = write_series(tmp_path / "study", 5, number=401, seed=1)

    with pytest.raises(UnreadableError, match=r"2 series: #3 \(CT, 4 files of 7×6\), #401 \(CT, 5 files of 7×6\)"):
        read_image(tmp_path / "study")
    assert np.array_equal(read_image(tmp_path / "study#401").array[0], voxels - 1024.0)
    with pytest.raises(UnreadableError, match="no series of number 7"):
        read_image(tmp_path / "study#7")


def by_height(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: float(pydicom.dcmread(file).ImagePositionPatient[1]))


def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "gap", 6)
    by_height(tmp_path / "gap")[2].unlink()

    with pytest.raises(UnreadableError, match=r"gap of 5\.00 mm between slices that lie 2\.50 mm apart"):
        read_image(tmp_path / "gap")


def test_a_slice_that_lies_twice_in_a_folder_counts_once(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "ct")
    for number, file in enumerate(by_height(tmp_path / "ct")[:2]):
        (tmp_path / "ct" / f"copy{number}.dcm").write_bytes(file.read_bytes())

    assert np.array_equal(read_image(tmp_path / "ct").array[0], voxels - 1024.0)


def test_two_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    first = pydicom.dcmread(by_height(tmp_path / "ct")[0])
    first.PixelData = bytes(len(first.PixelData))
    first.save_as(tmp_path / "ct" / "other.dcm")

    with pytest.raises(UnreadableError, match="1 slices at the position of another"):
        read_image(tmp_path / "ct")


def test_the_identity_of_a_folder_follows_its_files(tmp_path: Path) -> None:
    write_series(tmp_path / "ct")
    before = identity(tmp_path / "ct")
    assert identity(tmp_path / "ct") == before
    file = next((tmp_path / "ct").iterdir())
    file.write_bytes(file.read_bytes() + b"\0\0")
    assert identity(tmp_path / "ct") != before


def test_files_of_any_name_and_other_files_beside_them(tmp_path: Path) -> None:
    voxels = write_series(tmp_path / "ct")
    for file in (tmp_path / "ct").iterdir():
        file.rename(file.with_suffix(".1.2.840"))
    (tmp_path / "ct" / "notes.txt").write_text("scanned twice")

    assert np.array_equal(read_image(tmp_path / "ct").array[0], voxels - 1024.0)
    single = next((tmp_path / "ct").glob("*.840"))
    assert read_image(single).array.shape == (1, 7, 6)


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, RLELossless])
def test_other_codings_give_the_same_values(tmp_path: Path, syntax: str) -> None:
    pixels = np.arange(42, dtype=np.int16).reshape(6, 7)
    dataset = dicom_slice(generate_uid(), 0, pixels)
    if syntax == RLELossless:
        dataset.compress(RLELossless, pixels)
    else:
        dataset.PixelData = pixels.astype(">i2").tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.save_as(
        tmp_path / "a.dcm", implicit_vr=False, little_endian=syntax == RLELossless, enforce_file_format=True
    )

    assert np.array_equal(read_image(tmp_path / "a.dcm").array[0], pixels.T - 1024.0)


def bundled(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


@pytest.mark.parametrize(
    "copy", ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm"]
)
def test_the_copies_that_pydicom_ships_agree(copy: str) -> None:
    plain, other = read_image(bundled("MR_small.dcm")), read_image(bundled(copy))

    assert np.array_equal(plain.array, other.array)
    assert (plain.dtype, plain.modality) == (other.dtype, "MR") == ("int16", other.modality)


def test_the_dose_and_the_segmentation_that_pydicom_ships() -> None:
    dose, liver = read_image(bundled("rtdose.dcm")), read_image(bundled("liver_1frame.dcm"))

    assert (dose.array.min(), dose.array.max()) == pytest.approx((0.795, 1.254))  # Gy
    assert (liver.geometry.shape, set(np.unique(liver.array))) == ((512, 512), {0, 1})


def test_frames_without_positions_are_chosen_and_dose_grids_are_volumes() -> None:
    with pytest.raises(UnreadableError, match="2 frames without positions"):
        read_image(bundled("SC_rgb_rle_2frame.dcm"))
    path = bundled("SC_rgb_rle_2frame.dcm")
    assert read_image(path.with_name(f"{path.name}#1")).array.shape == (3, 100, 100)
    with pytest.raises(UnreadableError, match="no part #2: it holds 2 frames"):
        read_image(path.with_name(f"{path.name}#2"))
    dose = read_image(bundled("rtdose.dcm"))
    assert dose.geometry.shape == (10, 10, 15)
    assert np.allclose(dose.geometry.spacing, (10, 10, 5))


def test_an_enhanced_file_is_a_volume_with_the_scale_of_each_frame(tmp_path: Path) -> None:
    frames = np.stack([np.full((6, 7), 10 * (index + 1), np.int16) for index in range(3)])
    dataset = dicom_slice(generate_uid(), 0, frames[0])
    for keyword in (
        "PixelSpacing",
        "ImageOrientationPatient",
        "ImagePositionPatient",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(dataset, keyword)
    dataset.NumberOfFrames, dataset.PixelData = 3, frames.tobytes()
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, orientation.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for height, slope in ((4, 3), (0, 1), (2, 2)):
        group, position, transformation = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, height]
        transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = slope, 0, "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [position], [transformation]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.save_as(tmp_path / "e.dcm", enforce_file_format=True)

    image = read_image(tmp_path / "e.dcm")

    assert image.array[0, 0, 0].tolist() == [20, 60, 30]  # by height 0, 2, 4, times its own slope
    assert np.allclose(image.geometry.spacing, (1, 1, 2))


def test_nothing_of_the_patient_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_series(tmp_path / "ct", 4)
    said = []
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        said.append(repr(scan_file(tmp_path / "ct")))
        file = next((tmp_path / "ct").iterdir())
        content = file.read_bytes()
        place = content.index(PATIENT_NAME.encode())
        for offset in range(0, len(content) - place, 3):
            file.write_bytes(content[: place - 8] + content[place - 8 + offset :])
            said.append(repr(scan_file(file)))
        file.write_bytes(content.replace(b"DS", b"PN").replace(b"UI", b"PN"))
        said.append(repr(scan_file(file)))
    text = "\n".join([*said, caplog.text, *(str(warning.message) for warning in caught)])

    assert "Doe" not in text
    assert "4711" not in text


def test_what_is_no_image_says_what_it_is() -> None:
    with pytest.raises(UnreadableError, match=r"holds no image \(RT Plan Storage"):
        read_image(bundled("rtplan.dcm"))


SHARED = Path(__file__).parents[5] / "shared" / "data" / "dicom_mr"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data")
def test_real_series() -> None:
    image = read_image(SHARED / "brain_multiseries" / "Study3" / "flair")
    assert image.array.shape == (1, 280, 320, 13)
    heights = [
        pydicom.dcmread(f, stop_before_pixels=True).ImagePositionPatient[2]
        for f in (SHARED / "brain_multiseries/Study3/flair").iterdir()
    ]
    assert np.isclose(image.geometry.affine[2, 3], min(heights), atol=1e-3)
