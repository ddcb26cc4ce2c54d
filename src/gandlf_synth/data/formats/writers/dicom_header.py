"""The header of one slice of a synthetic series: whose it is, what made it, where it lies, what it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.data.formats.readers.dicom_file import (
    LEFT_HANDED,
    PRIVATE_CREATOR,
    PRIVATE_GROUP,
    PROVENANCE,
    value_of,
)
from gandlf_synth.data.formats.writers.base import as_text
from gandlf_synth.data.formats.writers.dicom_identity import uid_of
from gandlf_synth.data.formats.writers.dicom_source import SourceFile, SourceStudy
from gandlf_synth.data.formats.writers.dicom_values import StoredValues, decimal
from gandlf_synth.geometry import LPS_FROM_RAS, Affine, Geometry
from gandlf_synth.provenance import SYNTHETIC_MARK

if TYPE_CHECKING:
    from pydicom import Dataset

_PRODUCT = "GaNDLF-Synth"
_LONG, _SHORT = 64, 16
_UNPAIRED = frozenset({
    "ABDOMEN", "BLADDER", "BRAIN", "CHEST", "COLON", "CSPINE", "HEAD", "HEART", "LIVER", "LSPINE", "NECK",
    "PANCREAS", "PELVIS", "PROSTATE", "SKULL", "SPINE", "TSPINE", "UTERUS", "WHOLEBODY",
})  # fmt: skip
"""Parts of the body without a left and a right one, of which no side is stated (PS3.3 C.7.3.1.1.4)."""
_PARTS, _LARGEST = 100, 10**7
"""Numbers of series that are made from one source."""


@dataclass(frozen=True)
class SeriesFacts:
    """What all slices of a series share.

    Args:
        kind: ``MR``, ``CT``, or ``SC`` for Secondary Capture.
        modality: as the header says it.
        study_key: what the identifiers of the study follow from.
        series_uid: the SeriesInstanceUID.
        provenance: of the image.
        study: of what the image is made from; None for an image of nobody.
    """

    kind: str
    modality: str
    study_key: str
    series_uid: str
    provenance: Mapping[str, object]
    study: SourceStudy | None


def series_header(facts: SeriesFacts, geometry: Geometry, stored: StoredValues) -> "Dataset":
    """Return the elements that all slices of a series share."""
    from pydicom import Dataset, uid

    kinds = {"MR": uid.MRImageStorage, "CT": uid.CTImageStorage, "SC": uid.SecondaryCaptureImageStorage}
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = kinds[facts.kind]
    dataset.update(_patient_and_study(facts))
    dataset.update(_series(facts))
    dataset.update(_equipment(facts.provenance))
    dataset.update(_origin(facts))
    dataset.update(_kind_elements(facts, stored))
    dataset.update(private_elements(facts.provenance, geometry))
    return dataset


def private_elements(provenance: Mapping[str, object], geometry: Geometry) -> "Dataset":
    """Return the elements by which this program knows its own files."""
    from pydicom import Dataset

    dataset = Dataset()
    block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(PROVENANCE, "UT", as_text(provenance))
    if np.linalg.det((LPS_FROM_RAS @ geometry.affine)[:3, :3]) < 0:
        block.add_new(LEFT_HANDED, "CS", "YES")
    return dataset


def slice_header(facts: SeriesFacts, geometry: Geometry, index: int) -> "Dataset":
    """Return the elements of one slice alone: its number, where it lies, and what it was made from."""
    from pydicom import Dataset

    affine = _slice_affine(geometry, index)
    sources = facts.study.nearest(affine) if facts.study else []
    dataset = Dataset()
    dataset.SOPInstanceUID = uid_of(facts.series_uid, str(index))
    dataset.InstanceNumber = index + 1
    if geometry.physical:
        dataset.update(_place(facts, geometry, affine, sources))
    references = [source.header for source in sources if source.is_named]
    if references:
        dataset.SourceImageSequence = [_reference(header) for header in references]
    return dataset


def _slice_affine(geometry: Geometry, index: int) -> Affine:
    affine = geometry.affine.copy()
    affine[:3, 3] += index * affine[:3, 2]
    return affine


def _patient_and_study(facts: SeriesFacts) -> "Dataset":
    """Return the patient and study modules: those of the source, or of a person who does not exist."""
    from pydicom import Dataset

    dataset = Dataset()
    code = f"SYNTH-{int(uid_of('patient', facts.study_key)[5:]) % 16**12:012X}"
    dataset.PatientName, dataset.PatientID = f"SYNTHETIC^{code}", code
    dataset.PatientBirthDate, dataset.PatientSex = "", ""
    dataset.StudyInstanceUID = uid_of("study", facts.study_key)
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "", "", "SYNTHETIC"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "", ""
    if facts.study is None:
        dataset.StudyDescription = "SYNTHETIC images, not of a patient"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "Made by a generative model; not a patient"
    else:
        dataset.update(facts.study.kept)
    return dataset


def _series(facts: SeriesFacts) -> "Dataset":
    from pydicom import Dataset

    part = facts.provenance.get("part")
    number, name = (int(part["number"]), str(part["name"])) if isinstance(part, Mapping) else (1, "")
    words = ["SYNTHETIC", name, str(facts.provenance.get("class", "")), str(facts.provenance.get("kind", ""))]
    dataset = Dataset()
    dataset.Modality = facts.modality
    dataset.SeriesInstanceUID = facts.series_uid
    dataset.SeriesNumber = number if facts.study is None else facts.study.series_number % _LARGEST * _PARTS + number
    dataset.SeriesDescription = text(" ".join(word for word in words if word), _LONG)
    kept = facts.study.kept if facts.study else {}
    if "Laterality" not in kept and (value_of(kept, "BodyPartExamined") if kept else "") not in _UNPAIRED:
        dataset.Laterality = ""
    dataset.SeriesDate, dataset.SeriesTime, dataset.ContentDate, dataset.ContentTime = "", "", "", ""
    return dataset


def _equipment(provenance: Mapping[str, object]) -> "Dataset":
    from pydicom import Dataset

    software = provenance.get("software")
    version = software.get("gandlf-synth", "") if isinstance(software, Mapping) else ""
    dataset = Dataset()
    dataset.Manufacturer = _PRODUCT
    dataset.ManufacturerModelName = text(str(provenance.get("model_name", "generative model")), _LONG)
    dataset.DeviceSerialNumber = str(provenance.get("weights_sha256", ""))[:_SHORT] or "unknown"
    dataset.SoftwareVersions = text(str(version) or "unknown", _LONG)
    return dataset


def _origin(facts: SeriesFacts) -> "Dataset":
    """Return what says that the image is synthetic, and what synthesized it."""
    from pydicom import Dataset
    from pydicom.sr.codedict import codes

    provenance = facts.provenance
    equipment = _equipment(provenance)
    equipment.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SynthesizingEquipment)]
    named = {"model": str(provenance.get("weights_sha256", ""))[:_SHORT], "seed": provenance.get("seed")}
    named |= {key: provenance.get(key) for key in ("index", "row")}
    equipment.ContributionDescription = ", ".join(f"{key} {value}" for key, value in named.items() if value is not None)
    dataset = Dataset()
    dataset.SyntheticData = "YES"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL" if facts.kind == "CT" else "OTHER"]
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.DerivationDescription = text(str(provenance.get("mark", SYNTHETIC_MARK)), 1024)
    dataset.ContributingEquipmentSequence = [equipment]
    return dataset


def _reference(header: "Dataset") -> "Dataset":
    from pydicom import Dataset
    from pydicom.sr.codedict import codes

    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _code(code: object) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning  # type: ignore[attr-defined]
    return item


def _place(facts: SeriesFacts, geometry: Geometry, affine: Affine, sources: list[SourceFile]) -> "Dataset":
    """Return where the slice lies (PS3.3 C.7.6.2): the position is the center of the first voxel."""
    from pydicom import Dataset

    dataset = Dataset()
    if facts.study is None or "FrameOfReferenceUID" not in facts.study.kept:
        dataset.FrameOfReferenceUID = uid_of("frame of reference", facts.study_key)
        dataset.PositionReferenceIndicator = ""
    if facts.study is None or "PatientPosition" not in facts.study.kept:
        dataset.PatientPosition = "HFS"
    in_lps = (LPS_FROM_RAS @ affine)[:3]
    spacing = np.linalg.norm(in_lps[:, :2], axis=0)
    dataset.ImagePositionPatient = [decimal(value) for value in in_lps[:, 3]]
    dataset.ImageOrientationPatient = [decimal(value) for value in (in_lps[:, :2] / spacing).T.ravel()]
    dataset.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    if geometry.spatial_dims > 2:
        dataset.SliceThickness = decimal(float(np.linalg.norm(affine[:3, 2])))
    elif facts.kind != "SC":
        dataset.SliceThickness = ""
    plane = sources[0].plane(affine) if sources else None
    if plane is not None:
        dataset.update(plane)
    return dataset


def _kind_elements(facts: SeriesFacts, stored: StoredValues) -> "Dataset":
    from pydicom import Dataset

    dataset = Dataset()
    if facts.kind == "CT":
        dataset.KVP, dataset.AcquisitionNumber = None, None
    elif facts.kind == "MR":
        dataset.ScanningSequence, dataset.SequenceVariant, dataset.MRAcquisitionType = "RM", "NONE", "3D"
        dataset.ScanOptions, dataset.EchoTime, dataset.RepetitionTime, dataset.EchoTrainLength = "", None, None, None
    else:
        dataset.ConversionType, dataset.PatientOrientation = "SYN", ""
    if facts.kind == "CT" or stored.is_scaled:
        dataset.RescaleIntercept, dataset.RescaleSlope = decimal(stored.intercept), decimal(stored.slope)
        dataset.RescaleType = "HU" if facts.kind == "CT" else "US"
    return dataset


def text(words: str, longest: int) -> str:
    """Return ``words`` as one line that a header can hold: no backslash, no control characters, not too long."""
    plain = "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in words)
    return plain[:longest].strip()
