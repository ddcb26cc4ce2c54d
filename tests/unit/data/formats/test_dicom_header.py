"""What a DICOM header says of values and places, and what of it is only display."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset
from pydicom.uid import NuclearMedicineImageStorage
from tests.dicom_storages import Coding, dicom_dose, dicom_frames, dicom_nuclear, dicom_projection
from tests.factories import dicom_slice
from tests.storages import TURNS, Turn, make_scan

from gandlf_synth.data.formats.readers import UnreadableError, read_image

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
