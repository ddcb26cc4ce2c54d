"""Writes TIFF with provenance in its description."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import tifffile

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.data.formats.writers.png import rows_first
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry


class TiffWriter(Writer):
    """Writes ``.tiff``: grey or RGB, 8-bit."""

    suffixes = (".tiff", ".tif")
    channels = (1, 3)
    spatial_dims = (2,)
    as_pictures = True
    suits = ("histo",)

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (channels, columns, rows)``; see ``Writer``. The provenance holds the synthetic mark.

        Example:
            >>> import tempfile, numpy as np
            >>> path = Path(tempfile.mkdtemp()) / "image.tiff"
            >>> TiffWriter()(path, np.zeros((3, 20, 10), np.uint8), Geometry((20, 10), physical=False), {"seed": 7})
            >>> TiffWriter().embedded_text(path)
            '{"seed": 7}'
        """
        picture = rows_first(voxels)
        kind = "rgb" if picture.ndim == 3 else "minisblack"
        content = BytesIO()
        tifffile.imwrite(
            content,
            picture,
            photometric=kind,
            description=as_text(provenance),
            metadata=None,
            software=False,
            compression=None,
        )
        write_bytes(path, content.getvalue())

    def embedded_text(self, path: Path) -> str | None:
        """Return the description of the first page."""
        with tifffile.TiffFile(path) as tiff:
            return str(tiff.pages[0].description)
