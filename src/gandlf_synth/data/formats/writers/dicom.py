"""Writes DICOM: a folder that is one series of single-frame MR, CT or Secondary Capture files, marked as synthetic.

PS3.3, A.3 (CT), A.4 (MR), A.8.1 (Secondary Capture).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import PrivateAttr

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers.base import FOLDER, UnreadableError
from gandlf_synth.data.formats.readers.dicom import is_marked_dicom
from gandlf_synth.data.formats.readers.dicom_file import PROVENANCE_TAGS, open_dicom, provenance_in
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.data.formats.writers.dicom_header import SeriesFacts, series_header, slice_header
from gandlf_synth.data.formats.writers.dicom_identity import study_key, uid_of
from gandlf_synth.data.formats.writers.dicom_source import SourceStudy, read_study
from gandlf_synth.data.formats.writers.dicom_values import StoredValues, pixel_elements, store
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import atomic_folder, write_bytes
from gandlf_synth.geometry import Geometry

if TYPE_CHECKING:
    from pydicom import Dataset

_KINDS = ("CT", "MR")
"""Modalities with a kind of file of their own; all others become Secondary Capture."""
_MOST_SHEAR = 1e-4
"""Cosine of the angle of two axes of a slice up to which they count as perpendicular, as PS3.3 C.7.6.2.1.1 asks."""


class DicomWriter(Writer):
    """Writes a folder of ``.dcm`` files, one per slice, of the modality that the data states.

    What is neither MR nor CT becomes Secondary Capture.
    """

    suffixes = (FOLDER, ".dcm")
    channels: ClassVar[tuple[int, ...]] = (1, 3)
    exact = False
    further_mark = "Synthetic Data (0008,001C) of a slice"
    labels = "dicom_seg"
    stated_modality: ClassVar[str] = ""
    """The modality of whatever is written; empty: what the provenance says."""
    _study: SourceStudy | None = PrivateAttr(None)
    _lacking: str = PrivateAttr("")

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (1 or 3, *spatial)`` into the folder ``path``; see ``Writer``.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "image"
            >>> DicomWriter()(path, np.zeros((1, 4, 5, 6), np.int16), Geometry((4, 5, 6)), {"seed": 7})
            >>> len(list(path.iterdir())), DicomWriter().embedded_text(path)
            (6, '{"seed": 7}')

        Raises:
            ConfigError: see ``refusal``.
        """
        reason = self.refusal(geometry)
        if reason:
            raise ConfigError(Problem(str(path), reason, fix="choose another output format"))
        facts = self._facts(voxels, geometry, provenance)
        stored = store(voxels, narrow=facts.kind not in _KINDS)
        with atomic_folder(path) as folder:
            for number, dataset in enumerate(self._slices(stored, geometry, facts), start=1):
                content = BytesIO()
                dataset.save_as(content, enforce_file_format=True)
                write_bytes(folder / f"{number:04d}.dcm", content.getvalue())

    def embedded_text(self, path: Path) -> str | None:
        """Return the provenance in the first file of a folder; of what others marked as synthetic, only that."""
        files = [path] if path.is_file() else sorted(file for file in path.iterdir() if is_marked_dicom(file))
        if not files:
            return None
        try:
            header = open_dicom(files[0], header_only=True, tags=PROVENANCE_TAGS)
        except UnreadableError:
            return None
        is_synthetic = header.get("SyntheticData") == "YES"
        return provenance_in(header) or (json.dumps({"synthetic": True}) if is_synthetic else None)

    def is_marked(self, path: Path) -> bool:
        """Say whether every slice says that it is synthetic."""
        files = [path] if path.is_file() else [file for file in path.iterdir() if is_marked_dicom(file)]
        try:
            headers = [open_dicom(file, header_only=True, tags=PROVENANCE_TAGS) for file in files]
        except UnreadableError:
            return False
        return all(header.get("SyntheticData") == "YES" for header in headers)

    def made_from(self, cells: Sequence[Path]) -> Self:
        """Return what writes into the study of the DICOM images among ``cells``, with references to them."""
        copy = self.model_copy()
        copy._study, copy._lacking = read_study(cells)
        return copy

    def refusal(self, geometry: Geometry) -> str:
        """Return why images on a grid cannot be written: their axes are skew, or MR and CT without a size."""
        columns, rows = geometry.affine[:3, :2].T / np.linalg.norm(geometry.affine[:3, :2], axis=0)[:, None]
        if abs(float(columns @ rows)) > _MOST_SHEAR:
            return "has axes that are not at right angles, which DICOM cannot hold"
        if self.stated_modality in _KINDS and not geometry.physical:
            return f"states no size in millimetres, which {self.stated_modality} files of DICOM must"
        return ""

    def remark(self, modality: str) -> str:
        """Return what files keep of their source, and what they are called where nobody says that they are MR or CT."""
        if self._lacking:
            return f"the DICOM images that they are made from state no {self._lacking}, so that new ones are written"
        if self._study is not None:
            return "the files keep patient and study of the DICOM images that they are made from: treat them as these"
        if self.stated_modality and modality not in {"", self.stated_modality}:
            return f"written as {self.stated_modality}, as asked for, although the data says {modality}"
        if self.stated_modality or modality in _KINDS:
            return ""
        known = f"the data is {modality}" if modality else "the data does not say its modality"
        return (
            f"written as Secondary Capture, because {known}; choose the format dicom_mr or dicom_ct if it is MR or CT"
        )

    def fits(self, voxels: Values) -> bool:
        """Say whether one file can hold ``voxels``; colour only with 8 bits, and not as MR or CT."""
        return super().fits(voxels) and (len(voxels) == 1 or (voxels.dtype == "uint8" and not self.stated_modality))

    def _facts(self, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> SeriesFacts:
        modality = self.stated_modality or str(provenance.get("modality", ""))
        content = hashlib.sha256(np.ascontiguousarray(voxels).data).hexdigest()
        key = self._study.uid if self._study else study_key(provenance)
        series = uid_of("series", key, as_text(provenance), content)
        has_kind = modality in _KINDS and geometry.physical and len(voxels) == 1
        return SeriesFacts(
            kind=modality if has_kind else "SC",
            modality=modality or "OT",
            study_key=key,
            series_uid=series,
            provenance=provenance,
            study=self._study,
        )

    def _slices(self, stored: StoredValues, geometry: Geometry, facts: SeriesFacts) -> "Iterator[Dataset]":
        shared = series_header(facts, geometry, stored)
        planes = [stored.pixels] if geometry.spatial_dims == 2 else np.moveaxis(stored.pixels, -1, 0)
        for index, plane in enumerate(planes):
            dataset = pixel_elements(plane, stored)
            dataset.update(shared)
            dataset.update(slice_header(facts, geometry, index))
            yield dataset


class DicomMrWriter(DicomWriter):
    """Writes MR, whatever the data says."""

    channels = (1,)
    stated_modality = "MR"


class DicomCtWriter(DicomWriter):
    """Writes CT in Hounsfield units, whatever the data says."""

    channels = (1,)
    stated_modality = "CT"
