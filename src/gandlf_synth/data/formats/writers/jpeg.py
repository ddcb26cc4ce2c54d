"""Writes JPEG for slides and web pages, with provenance in the comment, and XMP."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.data.formats.writers.png import rows_first
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry
from gandlf_synth.xmp import says_synthetic, xmp_packet

_QUALITY = 95
_LONGEST_COMMENT = 65_533
"""Bytes that a segment of a JPEG can hold (ITU-T T.81, B.2.4.5)."""


class JpegWriter(Writer):
    """Writes ``.jpg``: grey or RGB, 8-bit, with losses: to be looked at, and not to train or measure with."""

    suffixes = (".jpg", ".jpeg")
    further_mark = "the digital source type in XMP"
    channels = (1, 3)
    spatial_dims = (2,)
    number_types = ("uint8",)
    as_pictures = True
    exact = False
    lossy = True

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (channels, columns, rows)``; see ``Writer``.

        Example:
            >>> import tempfile, numpy as np
            >>> path = Path(tempfile.mkdtemp()) / "image.jpg"
            >>> JpegWriter()(path, np.zeros((3, 20, 10), np.uint8), Geometry((20, 10), physical=False), {"seed": 7})
            >>> JpegWriter().embedded_text(path)
            '{"seed": 7}'

        Raises:
            DataError: the provenance is longer than a JPEG can hold.
        """
        comment = as_text(provenance).encode()
        if len(comment) > _LONGEST_COMMENT:
            what = f"has a record of {len(comment)} bytes, more than a JPEG can hold"
            raise DataError(Problem(str(path), what, fix="choose another output format"))
        content, packet = BytesIO(), xmp_packet(provenance).encode()
        picture = Image.fromarray(rows_first(voxels))
        picture.save(content, "JPEG", quality=_QUALITY, subsampling=0, comment=comment, xmp=packet)
        write_bytes(path, content.getvalue())

    def embedded_text(self, path: Path) -> str | None:
        """Return the comment."""
        with Image.open(path) as picture:
            comment = picture.info.get("comment")
        return comment.decode("utf-8", "replace") if isinstance(comment, bytes) else None

    def is_marked(self, path: Path) -> bool:
        """Say whether the XMP is there."""
        with Image.open(path) as picture:
            return says_synthetic(picture.info.get("xmp"))
