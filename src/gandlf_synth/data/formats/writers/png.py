"""Writes PNG with provenance in a text chunk, and XMP."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.writers.base import Writer, as_text
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry
from gandlf_synth.provenance import SYNTHETIC_MARK
from gandlf_synth.xmp import says_synthetic, xmp_packet

_KEY = "gandlf_synth"
XMP_KEY = "XML:com.adobe.xmp"


class PngWriter(Writer):
    """Writes ``.png``: grey or RGB, 8-bit."""

    suffixes = (".png",)
    further_mark = "the digital source type in XMP"
    channels = (1, 3)
    spatial_dims = (2,)
    number_types = ("uint8", "uint16")
    as_pictures = True

    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write ``voxels (channels, columns, rows)``; see ``Writer``.

        Example:
            >>> import tempfile, numpy as np
            >>> path = Path(tempfile.mkdtemp()) / "image.png"
            >>> PngWriter()(path, np.zeros((3, 20, 10), np.uint8), Geometry((20, 10), physical=False), {"seed": 7})
            >>> PngWriter().embedded_text(path)
            '{"seed": 7}'
        """
        text = PngInfo()
        text.add_text("Comment", str(provenance.get("mark", SYNTHETIC_MARK)))
        text.add_text(_KEY, as_text(provenance))
        text.add_itxt(XMP_KEY, xmp_packet(provenance))
        content = BytesIO()
        Image.fromarray(rows_first(voxels)).save(content, "PNG", pnginfo=text)
        write_bytes(path, content.getvalue())

    def embedded_text(self, path: Path) -> str | None:
        """Return the text chunk of this program."""
        with Image.open(path) as picture:
            text = picture.info.get(_KEY)
        return text if isinstance(text, str) else None

    def is_marked(self, path: Path) -> bool:
        """Say whether the XMP is there."""
        with Image.open(path) as picture:
            return says_synthetic(picture.info.get(XMP_KEY))

    def fits(self, voxels: Values) -> bool:
        """Say whether one file can hold ``voxels``; colour only with 8 bits, which is what Pillow writes."""
        return super().fits(voxels) and (len(voxels) == 1 or voxels.dtype == "uint8")


def rows_first(voxels: Values) -> Values:
    """Return ``(channels, columns, rows)`` as pictures are stored: ``(rows, columns)`` or ``(rows, columns, 3)``."""
    picture = voxels.transpose(2, 1, 0)
    return picture[..., 0].copy() if picture.shape[-1] == 1 else picture.copy()
