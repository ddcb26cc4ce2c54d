"""What an image keeps of the DICOM images that it is made from: their patient, study, place, and references to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.data.formats.readers.cell import locate
from gandlf_synth.data.formats.readers.dicom import is_dicom, series_in
from gandlf_synth.data.formats.readers.dicom_file import open_dicom, value_of
from gandlf_synth.data.formats.readers.dicom_places import frame_affines
from gandlf_synth.errors import listing
from gandlf_synth.geometry import Affine

if TYPE_CHECKING:
    from pydicom import Dataset

_PATIENT = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs"),
    *("EthnicGroup", "PatientComments", "PatientSpeciesDescription", "PatientBreedDescription"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
)
"""PS3.3 C.7.1.1."""
_STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
    *("StudyDescription", "PatientAge", "PatientSize", "PatientWeight", "LongitudinalTemporalInformationModified"),
)
"""PS3.3 C.7.2.1 and C.7.2.2."""
_PLACE = ("FrameOfReferenceUID", "PositionReferenceIndicator", "PatientPosition", "BodyPartExamined", "Laterality")
"""PS3.3 C.7.4.1 and the part of C.7.3.1 that says what was examined."""
_KEPT = (*_PATIENT, *_STUDY, *_PLACE)
_READ = (
    *_KEPT,
    *(
        "SpecificCharacterSet",
        "SOPClassUID",
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Rows",
        "Columns",
        "NumberOfFrames",
    ),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SharedFunctionalGroupsSequence"),
    *("PerFrameFunctionalGroupsSequence", "SpacingBetweenSlices", "GridFrameOffsetVector", "FrameIncrementPointer"),
)
_NEEDED = ("StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
"""Without which an image cannot be said to belong to a study, to lie in a place, or to be made from another one."""
_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_SAME = 1e-3


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Args:
        header: of the file, without pixels.
        places: the affine of each frame; None where the file does not say.
    """

    header: "Dataset"
    places: list[Affine] | None

    @property
    def is_named(self) -> bool:
        """Whether the file states what it can be referred to by."""
        return all(value_of(self.header, name) is not None for name in ("SOPClassUID", "SOPInstanceUID"))

    def distance(self, affine: Affine) -> float:
        """Return how far the nearest frame's plane lies from that of ``affine``, in millimetres."""
        if not self.places:
            return 0.0
        return min(abs(float((affine[:3, 3] - place[:3, 3]) @ place[:3, 2])) for place in self.places)

    def plane(self, affine: Affine) -> "Dataset | None":
        """Return the elements that say where the slice lies, where it is that of ``affine`` to 0.001 mm."""
        alike = self.places is not None and len(self.places) == 1
        if not alike or not np.allclose(self.places[0][:3, [0, 1, 3]], affine[:3, [0, 1, 3]], atol=_SAME):  # type: ignore[index]
            return None
        plane = _elements(self.header, _PLANE)
        return plane if len(plane) == len(_PLANE) else None


@dataclass(frozen=True)
class SourceStudy:
    """The study that an image belongs to because it is made from images of it.

    Args:
        kept: the elements of patient, study and frame of reference, as the first source has them.
        series_number: of the first source.
        sources: the files of each source.
    """

    kept: "Dataset"
    series_number: int
    sources: tuple[tuple[SourceFile, ...], ...]

    @property
    def uid(self) -> str:
        """The StudyInstanceUID."""
        return str(self.kept.StudyInstanceUID)

    def nearest(self, affine: Affine) -> list[SourceFile]:
        """Return the file of each source that lies nearest to the slice of ``affine``."""
        return [min(files, key=lambda file: file.distance(affine)) for files in self.sources]


def read_study(cells: Sequence[Path]) -> tuple[SourceStudy | None, str]:
    """Return the study of the images that ``cells`` of a CSV name, and what the first lacks for that.

    Returns:
        None where the first is no DICOM, or states no study. The names of missing attributes.

    Raises:
        UnreadableError: a file is damaged.
    """
    sources = [files for cell in cells if (files := _files(cell))]
    if not cells or not sources or not _files(cells[0]):
        return None, ""
    first = sources[0][0].header
    lacking = [name for name in _NEEDED if value_of(first, name) is None]
    if "StudyInstanceUID" in lacking:
        return None, listing(lacking)
    number = str(value_of(first, "SeriesNumber") or "0")
    first.decode()  # texts are written in another character set than the source may have
    study = SourceStudy(_elements(first, _KEPT), int(number) if number.isdigit() else 0, tuple(sources))
    return study, listing(lacking)


def _files(cell: Path) -> tuple[SourceFile, ...]:
    location = locate(cell)
    if location.path.is_dir():
        series = series_in(location.path)
        chosen = [one for one in series if not location.part or one.number == location.part]
        paths = chosen[0].files if chosen else ()
    else:
        paths = (location.path,) if is_dicom(location.path) else ()
    headers = [open_dicom(path, header_only=True, tags=_READ) for path in paths]
    return tuple(SourceFile(header, frame_affines(header)) for header in headers)


def _elements(header: "Dataset", names: Sequence[str]) -> "Dataset":
    from pydicom import Dataset

    elements = Dataset()
    for name in names:
        if name in header:
            elements.add(header[name])
    return elements
