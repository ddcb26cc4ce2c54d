"""Writes label maps as DICOM segmentations (PS3.3 A.51), with highdicom: one file, one binary segment per label."""

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers.base import FOLDER
from gandlf_synth.data.formats.writers.dicom import DicomWriter
from gandlf_synth.data.formats.writers.dicom_header import SeriesFacts, private_elements, text
from gandlf_synth.data.formats.writers.dicom_identity import uid_of
from gandlf_synth.data.formats.writers.dicom_values import StoredValues
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

_SAME = 1e-2
_NO_DATE, _NO_TIME = "19000101", "000000"
"""The module wants a date (PS3.3 C.10.9), and one from the clock would change the bytes of equal label maps."""
_SYNTHETIC = ("SyntheticData", "ContributingEquipmentSequence", "DerivationDescription")


class DicomSegmentationWriter(DicomWriter):
    """Writes ``.dcm``: label maps with whole numbers from 0, the background, to 255."""

    suffixes = (".dcm", FOLDER)
    channels = (1,)
    number_types = ("uint8",)
    exact = True
    labels = ""
    extra = ("highdicom", "seg")
    stated_modality = "SEG"

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (1, *spatial)``; see ``Writer``.

        Raises:
            ConfigError: see ``refusal``.
            MissingExtraError: highdicom is not installed.
        """
        if self.missing_extra:
            raise self.missing_extra
        reason = self.refusal(geometry)
        if reason:
            raise ConfigError(Problem(str(path), reason, fix="choose another output format"))
        facts = self._facts(voxels, geometry, provenance)
        stored = StoredValues(voxels, 1, 0, (0.0, 1.0))
        planes = list(self._slices(stored, geometry, facts))
        for plane in planes:
            plane.SliceThickness = float(np.linalg.norm(geometry.affine[:3, 2]))
        references = self._references(geometry, len(planes))
        dataset = _segmentation(voxels, planes, references or [], facts)
        dataset.update({name: planes[0][name].value for name in _SYNTHETIC})
        dataset.SeriesDescription = text(f"{planes[0].SeriesDescription} labels", 64)
        dataset.update(private_elements(provenance, geometry))
        content = BytesIO()
        dataset.save_as(content, enforce_file_format=True)
        write_bytes(path, content.getvalue())

    def refusal(self, geometry: Geometry) -> str:
        """Return why label maps on a grid cannot be written; see ``DicomWriter.refusal``."""
        if not geometry.physical:
            return "states no size in millimetres, which segmentations of DICOM must"
        return super().refusal(geometry)

    def remark(self, modality: str) -> str:
        """Return that label maps are expected, where the data is something else."""
        return f"written as label maps, although the data is {modality}" if modality else ""

    def _references(self, geometry: Geometry, count: int) -> "list[Dataset] | None":
        """Return the header of what each slice of the labels lies on, None where it is no image of DICOM."""
        if self._study is None or len(self._study.sources[0]) != count:
            return None
        affine = geometry.affine
        nearest = []
        for index in range(count):
            place = affine.copy()
            place[:3, 3] += index * affine[:3, 2]
            (file,) = self._study.nearest(place)[:1]
            if file.plane(place) is None:
                return None
            nearest.append(file.header)
        return nearest


def _segmentation(
    voxels: Values, planes: "Sequence[Dataset]", references: "Sequence[Dataset]", facts: SeriesFacts
) -> "Dataset":
    """Return the segmentation of ``voxels (1, *spatial)`` on the images whose headers are ``planes``."""
    import highdicom as hd

    first, series = planes[0], facts.series_uid
    algorithm = text(str(facts.provenance.get("kind") or first.Manufacturer), 64)
    for plane, reference in zip(planes, references, strict=False):
        plane.SOPClassUID, plane.SOPInstanceUID = reference.SOPClassUID, reference.SOPInstanceUID
        plane.SeriesInstanceUID = reference.SeriesInstanceUID
    labels = voxels[0].T if voxels.ndim > 3 else voxels[0].T[None]
    count = max(1, int(labels.max()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # highdicom warns of empty elements, which are meant
        dataset = hd.seg.Segmentation(
            source_images=list(planes),
            pixel_array=np.ascontiguousarray(labels),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_description(number, first, algorithm) for number in range(1, count + 1)],
            series_instance_uid=series,
            series_number=int(first.SeriesNumber) + 50,
            sop_instance_uid=uid_of(series, "segmentation"),
            instance_number=1,
            manufacturer=str(first.Manufacturer),
            manufacturer_model_name=str(first.ManufacturerModelName),
            software_versions=str(first.SoftwareVersions),
            device_serial_number=str(first.DeviceSerialNumber),
            content_label="LABELS",
            content_creator_name="",
            omit_empty_frames=False,
        )
    _make_reproducible(dataset, series)
    if not references:
        _forget_images(dataset)
    return dataset


def _description(number: int, first: "Dataset", name: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name=name,
        family=codes.DCM.ArtificialIntelligence,
        version=str(first.SoftwareVersions),
    )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"label {number}",
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_id=f"label {number}",
        tracking_uid=uid_of(str(first.SeriesInstanceUID), "label", str(number)),
    )


def _make_reproducible(dataset: "Dataset", series: str) -> None:
    """Replace what highdicom takes from the clock or from chance."""
    organization = uid_of(series, "dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    for name in ("InstanceCreationDate", "InstanceCreationTime"):
        if name in dataset:
            delattr(dataset, name)
    dataset.ContentDate, dataset.ContentTime = _NO_DATE, _NO_TIME


def _forget_images(dataset: "Dataset") -> None:
    """Remove the references to slices that are no files."""
    for group in dataset.PerFrameFunctionalGroupsSequence:
        if "DerivationImageSequence" in group:
            del group.DerivationImageSequence
    for name in (
        "ReferencedSeriesSequence",
        "SourceImageSequence",
        "StudiesContainingOtherReferencedInstancesSequence",
    ):
        if name in dataset:
            delattr(dataset, name)
