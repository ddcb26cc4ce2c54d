"""Writes NIfTI-1 with affine, spacing in millimetres and provenance in a header extension."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry
from gandlf_synth.provenance import DERIVED_MARK, SYNTHETIC_MARK

_COMMENT = 6
_SCANNER, _ALIGNED = 1, 2
_DESCRIPTION = 80
_MARK = b"SYNTHETIC"


class NiftiWriter(Writer):
    """Writes ``.nii.gz``, one channel per file."""

    suffixes = (".nii.gz", ".nii")
    further_mark = "the description in the header"
    suits = ("rad",)

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (1, *spatial)``; see ``Writer``.

        A plane becomes a volume of one slice: programs that read a file of two axes lose its place in the patient.

        Example:
            >>> import tempfile, numpy as np
            >>> path = Path(tempfile.mkdtemp()) / "image.nii.gz"
            >>> NiftiWriter()(path, np.zeros((1, 4, 5, 6), np.int16), Geometry((4, 5, 6)), {"seed": 7})
            >>> NiftiWriter().embedded_text(path)
            '{"seed": 7}'
        """
        array = voxels[0] if voxels.ndim > 3 else voxels[0][..., None]
        image = nib.Nifti1Image(array, geometry.affine)
        # What is made from a patient's images lies where these lie; nobody ever lay where a new image lies.
        code = _SCANNER if provenance.get("mark") == DERIVED_MARK else _ALIGNED
        image.set_sform(geometry.affine, code=code)
        image.set_qform(geometry.affine, code=code)
        header = image.header
        if not np.array_equal(header.get_sform(), geometry.affine) and np.array_equal(
            header.get_qform(), geometry.affine
        ):
            image.set_sform(None, code=0)  # the affine came from a quaternion, which only another one holds to the bit
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = str(provenance.get("mark", SYNTHETIC_MARK)).encode()[:_DESCRIPTION]
        image.header.extensions.append(Nifti1Extension(_COMMENT, as_text(provenance).encode()))
        write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))

    def embedded_text(self, path: Path) -> str | None:
        """Return the text of the first header extension."""
        extensions = nib.load(path).header.extensions
        return str(extensions[0].text) if extensions else None

    def is_marked(self, path: Path) -> bool:
        """Say whether the description in the header is still that of a synthetic image."""
        return bytes(nib.load(path).header["descrip"]).startswith(_MARK)
