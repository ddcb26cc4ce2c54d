"""Writes TIFF with provenance in its description, and XMP."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import tifffile

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.data.formats.writers.png import rows_first
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry
from gandlf_synth.xmp import says_synthetic, xmp_packet

_XMP_TAG = 700


class TiffWriter(Writer):
    """Writes ``.tiff``: grey or RGB, 8-bit."""

    suffixes = (".tiff", ".tif")
    further_mark = "the digital source type in XMP"
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
        packet = xmp_packet(provenance).encode()
        content = BytesIO()
        tifffile.imwrite(
            content,
            picture,
            photometric=kind,
            description=as_text(provenance),
            metadata=None,
            software=False,
            compression=None,
            extratags=[(_XMP_TAG, "B", len(packet), packet, True)],
        )
        write_bytes(path, content.getvalue())

    def embedded_text(self, path: Path) -> str | None:
        """Return the description of the first page."""
        with tifffile.TiffFile(path) as tiff:
            return str(tiff.pages[0].description)

    def is_marked(self, path: Path) -> bool:
        """Say whether the XMP is there."""
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages[0].tags.get(_XMP_TAG)
            return says_synthetic(tag and tag.value)
