"""DICOM: values in the modality's units, slices by position, and nothing of the patient anywhere."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, NuclearMedicineImageStorage, RLELossless, generate_uid
from tests.dicom_storages import Coding, dicom_dose, dicom_frames, dicom_nuclear, dicom_projection
from tests.factories import DICOM_DIRECTIONS, PATIENT_NAME, dicom_slice, write_series
from tests.storages import TURNS, Turn, make_scan

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


PICTURE = np.array([[0, 100, 4095], [7, 8, 9]])
TWELVE_BITS = Coding(12, signed=False)


@pytest.mark.parametrize("modality", ["CT", "MR", "NM", "PT", "RTDOSE"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_how_a_measurement_is_shown_never_changes_it(tmp_path: Path, modality: str, photometric: str) -> None:
    """PS3.3 C.7.6.3.1.2 and C.11.2: photometric interpretation, windows and presentation tables are display."""

    def show(dataset: Dataset) -> None:
        dataset.WindowCenter, dataset.WindowWidth, dataset.PresentationLUTShape = 40, 80, "INVERSE"
        dataset.VOILUTFunction = "SIGMOID"

    path = dicom_projection(tmp_path, PICTURE, modality, photometric, coding=TWELVE_BITS, change=show)

    assert np.array_equal(read_image(path).array[0].T, PICTURE)


@pytest.mark.parametrize("modality", ["CR", "DX", "MG", "IO", "PX", "RF", "RG", "XA", "OT", ""])
@pytest.mark.parametrize("scale", [(1, 0), (2, -10)])
def test_projections_and_pictures_are_bright_where_they_are_shown_bright(
    tmp_path: Path, modality: str, scale: tuple[int, int]
) -> None:
    slope, intercept = scale
    values = PICTURE * slope + intercept
    coding = replace(TWELVE_BITS, slope=slope, intercept=intercept)

    plain = read_image(dicom_projection(tmp_path, values, modality, "MONOCHROME2", coding=coding)).array
    inverted = read_image(dicom_projection(tmp_path, values, modality, "MONOCHROME1", coding=coding)).array

    assert np.array_equal(plain[0].T, values)
    assert np.array_equal(inverted, 4095 * slope + 2 * intercept - plain)


def test_the_palette_of_nuclear_medicine_is_display(tmp_path: Path) -> None:
    def color(dataset: Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
        for name in ("Red", "Green", "Blue"):
            setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4096, 0, 16])
            table = np.arange(4096, dtype="<u2")[::-1].tobytes()
            setattr(dataset, f"{name}PaletteColorLookupTableData", table)

    path = dicom_projection(tmp_path, PICTURE, "NM", "PALETTE COLOR", coding=TWELVE_BITS, change=color)

    assert np.array_equal(read_image(path).array[0].T, PICTURE)


OPTIONAL = (
    *("NumberOfFrames", "SeriesNumber", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"),
    *("RescaleSlope", "RescaleIntercept", "SpacingBetweenSlices", "FrameIncrementPointer", "GridFrameOffsetVector"),
    *("DetectorInformationSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("ModalityLUTSequence", "ImagerPixelSpacing", "PlanarConfiguration", "StudyInstanceUID", "WindowCenter"),
    *("PixelPaddingValue", "SmallestImagePixelValue", "SOPClassUID", "Modality", "DoseGridScaling"),
)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_element_that_is_there_and_empty_is_absent(tmp_path: Path, name: str) -> None:
    images = []
    for is_there in (False, True):
        dataset = dicom_slice("1.2.3", 0, np.arange(42, dtype=np.int16).reshape(6, 7))
        if name in dataset:
            del dataset[name]
        if is_there:
            setattr(dataset, name, [] if name.endswith("Sequence") else None)
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        images.append(read_image(tmp_path / "a.dcm"))

    assert np.array_equal(images[0].array, images[1].array)
    assert np.allclose(images[0].geometry.affine, images[1].geometry.affine)
    assert (images[0].geometry.physical, images[0].modality) == (images[1].geometry.physical, images[1].modality)


def test_what_a_scale_leaves_open_changes_nothing(tmp_path: Path) -> None:
    pixels = np.arange(42, dtype=np.int16).reshape(6, 7)
    dataset = dicom_slice("1.2.3", 0, pixels)
    del dataset.RescaleSlope
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    assert np.array_equal(read_image(tmp_path / "a.dcm").array[0], pixels.T - 1024.0)


def test_the_kind_of_file_tells_a_modality_that_is_not_stated(tmp_path: Path) -> None:
    dataset = dicom_slice("1.2.3", 0, np.zeros((6, 7), np.int16))
    dataset.Modality = ""
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    assert read_image(tmp_path / "a.dcm").modality == "CT"


@pytest.mark.parametrize("name", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"])
@pytest.mark.parametrize("placed", [False, True])
def test_spacing_by_any_of_its_names(tmp_path: Path, name: str, placed: bool) -> None:
    dataset = dicom_slice("1.2.3", 0, np.zeros((6, 7), np.int16))
    del dataset.PixelSpacing
    if not placed:
        del dataset.ImagePositionPatient
    setattr(dataset, name, [0.5, 0.8])
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    geometry = read_image(tmp_path / "a.dcm").geometry

    assert geometry.physical
    assert np.allclose(geometry.spacing, (0.8, 0.5))


def test_a_dose_is_in_the_units_of_its_scale(tmp_path: Path) -> None:
    scan = make_scan()

    def scale(dataset: Dataset) -> None:
        dataset.DoseGridScaling = "0.001"

    assert np.allclose(read_image(dicom_dose(tmp_path, scan, change=scale)).array[0], scan.voxels * 0.001)


def test_a_dose_grid_may_state_the_heights_of_its_planes(tmp_path: Path) -> None:
    scan = make_scan()

    def raise_planes(dataset: Dataset) -> None:
        height = float(dataset.ImagePositionPatient[2])
        dataset.GridFrameOffsetVector = [height + offset for offset in dataset.GridFrameOffsetVector]

    assert np.allclose(read_image(dicom_dose(tmp_path, scan, change=raise_planes)).geometry.spacing, (0.75, 1.5, 2.25))


@pytest.mark.parametrize("pointer", [0x00181063, 0x00181065, 0x00540070])
def test_frames_of_a_movie_are_no_volume(tmp_path: Path, pointer: int) -> None:
    def move(dataset: Dataset) -> None:
        dataset.FrameIncrementPointer, dataset.FrameTime = pointer, 40

    with pytest.raises(UnreadableError, match="7 frames without positions"):
        read_image(dicom_frames(tmp_path, make_scan(), change=move))


@pytest.mark.parametrize("slope", [0, float("nan"), float("inf")])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, slope: float) -> None:
    dataset = dicom_slice("1.2.3", 0, np.zeros((6, 7), np.int16))
    dataset.RescaleSlope = str(slope)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    with pytest.raises(UnreadableError):
        read_image(tmp_path / "a.dcm")


@pytest.mark.parametrize("turn", TURNS[:8])
@pytest.mark.parametrize("write", [dicom_nuclear, dicom_frames])
def test_frames_lie_where_itk_places_them(tmp_path: Path, write: Callable[..., Path], turn: Turn) -> None:
    path = write(tmp_path, make_scan(rotation=(0.1, 0.2, -0.1)).turned(turn))
    reference = sitk.ReadImage(str(path))

    image = read_image(path)

    corners = np.array([[0, 0, 0], [8, 0, 6], [8, 7, 6]])
    own = {tuple(np.round((image.geometry.affine @ [*corner, 1])[:3] * [-1, -1, 1], 3)) for corner in corners}
    values = {image.array[0][tuple(corner)] for corner in corners}
    sizes = reference.GetSize()
    theirs = {}
    for corner in corners:
        for k in (corner[2], sizes[2] - 1 - corner[2]):
            index = tuple(int(place) for place in (*corner[:2], k))
            theirs[tuple(np.round(reference.TransformIndexToPhysicalPoint(index), 3))] = reference.GetPixel(index)
    assert own <= set(theirs)
    assert {theirs[place] for place in own} == values


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
