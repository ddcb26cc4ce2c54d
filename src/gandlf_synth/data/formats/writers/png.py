"""Writes PNG with provenance in a text chunk."""

from io import BytesIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gandlf_synth.data.formats.writers.base import as_text
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry
from gandlf_synth.provenance import SYNTHETIC_MARK


class PngWriter:
    """Writes ``.png``: grey or RGB, 8-bit."""

    suffix = ".png"
    channels = (1, 3)

    @staticmethod
    def write(path: Path, voxels: NDArray[Any], geometry: Geometry, provenance: dict[str, Any]) -> None:
        """Write ``voxels (channels, columns, rows)``; see ``Writer.write``."""
        text = PngInfo()
        text.add_text("Comment", SYNTHETIC_MARK)
        text.add_text("gandlf_synth", as_text(provenance))
        content = BytesIO()
        Image.fromarray(rows_first(voxels)).save(content, "PNG", pnginfo=text)
        write_bytes(path, content.getvalue())


def rows_first(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return ``(channels, columns, rows)`` as pictures are stored: ``(rows, columns)`` or ``(rows, columns, 3)``."""
    picture = voxels.transpose(2, 1, 0)
    return picture[..., 0].copy() if picture.shape[-1] == 1 else picture.copy()
