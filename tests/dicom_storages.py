"""One image in every way in which DICOM stores it: files of slices, of frames, in every coding."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    NuclearMedicineImageStorage,
    RLELossless,
    RTDoseStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from tests.storages import LPS, Scan, Voxels


@dataclass(frozen=True)
class Coding:
    """How a DICOM file holds its numbers.

    Args:
        bits: stored; 8 of them in a byte, more in two.
        signed: whether negative numbers can be stored.
        slope, intercept: in the header; what is stored is what they lead back to the scan.
        syntax: the transfer syntax.
        high_bits: set in what lies above the stored bits, which nobody may rely on.
    """

    bits: int = 16
    signed: bool = True
    slope: float | None = 1
    intercept: float | None = 0
    syntax: str = ExplicitVRLittleEndian
    high_bits: bool = False


PLAIN = Coding()
SYNTAXES = (
    *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
    *(RLELossless, JPEG2000Lossless),
)
Change = Callable[[Dataset], None]


def dicom_series(folder: Path, scan: Scan, *, coding: Coding = PLAIN, change: Change = lambda _: None) -> Path:
    """Write one file per ``k``, under names that say nothing of the order."""
    place = folder / "series"
    place.mkdir()
    names = np.random.default_rng(1).permutation(scan.voxels.shape[2])
    for k, name in enumerate(names):
        write_dicom(place / f"IM{name}.dcm", _slice(scan, k, coding), scan.voxels[:, :, k].T[None], coding, change)
    return place


def dicom_slice(folder: Path, scan: Scan, *, coding: Coding = PLAIN, change: Change = lambda _: None) -> Path:
    """Write the one slice of a scan whose third axis has one voxel."""
    path = folder / "a.dcm"
    write_dicom(path, _slice(scan, 0, coding), scan.voxels[:, :, 0].T[None], coding, change)
    return path


def dicom_frames(folder: Path, scan: Scan, *, coding: Coding = PLAIN, change: Change = lambda _: None) -> Path:
    """Write one file of several frames, with the position of the first and the distance between them, as CBCT is."""
    dataset = _slice(scan, 0, coding)
    dataset.NumberOfFrames = scan.voxels.shape[2]
    dataset.SpacingBetweenSlices = float(_along_normal(scan))
    path = folder / "a.dcm"
    write_dicom(path, dataset, scan.voxels.T, coding, change)
    return path


def dicom_nuclear(folder: Path, scan: Scan, *, coding: Coding = PLAIN) -> Path:
    """Write a reconstructed SPECT: the place is in the detector's sequence, and the sign of the distance counts."""
    dataset = _slice(scan, 0, coding)
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = (
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient,
    )  # fmt: skip
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = NuclearMedicineImageStorage
    dataset.Modality, dataset.ImageType = "NM", ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.DetectorInformationSequence = [detector]
    dataset.NumberOfFrames = dataset.NumberOfSlices = scan.voxels.shape[2]
    dataset.FrameIncrementPointer = 0x00540080
    dataset.SpacingBetweenSlices = float(_along_normal(scan))
    path = folder / "a.dcm"
    write_dicom(path, dataset, scan.voxels.T, coding)
    return path


def dicom_dose(folder: Path, scan: Scan, *, coding: Coding = PLAIN, change: Change = lambda _: None) -> Path:
    """Write a dose grid: an offset per frame, and a scaling of its own."""
    dataset = _slice(scan, 0, coding)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = RTDoseStorage
    dataset.Modality = "RTDOSE"
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.NumberOfFrames = scan.voxels.shape[2]
    dataset.GridFrameOffsetVector = [_along_normal(scan) * k for k in range(scan.voxels.shape[2])]
    path = folder / "a.dcm"
    write_dicom(path, dataset, scan.voxels.T, replace(coding, slope=None, intercept=None), change)
    return path


def dicom_enhanced(folder: Path, scan: Scan, *, coding: Coding = PLAIN, shared_scale: bool = True) -> Path:
    """Write an enhanced file, whose frames state their places; the scale is shared by them or stated by each."""
    dataset = _slice(scan, 0, coding)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.Modality, dataset.NumberOfFrames = "MR", scan.voxels.shape[2]
    shared, measures, orientation, scale = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, orientation.ImageOrientationPatient = dataset.PixelSpacing, dataset.ImageOrientationPatient
    scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = coding.slope, coding.intercept, "US"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    if shared_scale:
        shared.PixelValueTransformationSequence = [scale]
    groups = []
    for k in range(scan.voxels.shape[2]):
        group, position = Dataset(), Dataset()
        position.ImagePositionPatient = _slice(scan, k, coding).ImagePositionPatient
        group.PlanePositionSequence = [position]
        if not shared_scale:
            group.PixelValueTransformationSequence = [scale]
        groups.append(group)
    for keyword in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope",
                    "RescaleIntercept"):  # fmt: skip
        delattr(dataset, keyword)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], groups
    path = folder / "a.dcm"
    write_dicom(path, dataset, scan.voxels.T, coding)
    return path


def dicom_projection(
    folder: Path,
    picture: Voxels,
    modality: str,
    photometric: str,
    *,
    coding: Coding = PLAIN,
    change: Change = lambda _: None,
) -> Path:
    """Write a projection or a captured picture, ``(rows, columns[, 3])``, which has no place in the patient."""
    dataset = _slice(Scan(picture.reshape(*picture.shape[:2], -1)[..., :1].transpose(1, 0, 2), np.eye(4)), 0, coding)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.Modality = modality
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    if picture.ndim == 3:
        dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = photometric
    path = folder / "a.dcm"
    write_dicom(path, dataset, picture[None], coding, change)
    return path


def _along_normal(scan: Scan) -> float:
    """Return the step from slice to slice along the normal of DICOM's planes; negative where they go the other way."""
    place = (LPS @ scan.affine)[:3]
    normal = np.cross(place[:, 0], place[:, 1])
    return float(place[:, 2] @ normal / np.linalg.norm(normal))


def _slice(scan: Scan, k: int, coding: Coding) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = coding.syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    uid = generate_uid(entropy_srcs=["slice", str(k)])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    dataset.SeriesNumber, dataset.Modality = 1, "CT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    place = LPS @ scan.affine
    spacing = np.linalg.norm(place[:3, :3], axis=0)
    directions = (place[:3, :2] / spacing[:2]).T.ravel()
    dataset.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
    dataset.ImageOrientationPatient = [f"{value:.12f}"[:16] for value in directions]
    dataset.ImagePositionPatient = [f"{value:.10f}"[:16] for value in (place @ [0, 0, k, 1])[:3]]
    if coding.slope is not None:
        dataset.RescaleSlope = coding.slope
    if coding.intercept is not None:
        dataset.RescaleIntercept = coding.intercept
    return dataset


def write_dicom(
    path: Path, dataset: Dataset, frames: Voxels, coding: Coding = PLAIN, change: Change = lambda _: None
) -> None:
    """Write ``frames (frames, rows, columns[, samples])``; ``change`` sees the dataset before it is written."""
    stored = np.rint((frames - (coding.intercept or 0)) / (coding.slope or 1)).astype(np.int64)
    allocated = 8 if coding.bits <= 8 else 16
    if coding.high_bits:
        stored = stored & (2**coding.bits - 1) | 0b101 << coding.bits & (2**allocated - 1)
    kind = f"{'i' if coding.signed and not coding.high_bits else 'u'}{allocated // 8}"
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, coding.bits, coding.bits - 1
    dataset.PixelRepresentation = int(coding.signed)
    little = coding.syntax != ExplicitVRBigEndian
    pixels = stored.astype(np.dtype(kind))
    if coding.syntax in {RLELossless, JPEG2000Lossless}:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(coding.syntax, pixels if len(pixels) > 1 else pixels[0], generate_instance_uid=False)
    else:
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
        dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"
        if len(dataset.PixelData) % 2:
            dataset.PixelData += b"\0"
    change(dataset)
    dataset.save_as(
        path, implicit_vr=coding.syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=True
    )
