"""Writes TIFF with provenance in its description."""

from io import BytesIO
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

from gandlf_synth.data.formats.writers.base import as_text
from gandlf_synth.data.formats.writers.png import rows_first
from gandlf_synth.files import write_bytes
from gandlf_synth.geometry import Geometry


class TiffWriter:
    """Writes ``.tiff``: grey or RGB, 8-bit."""

    suffix = ".tiff"
    channels = (1, 3)

    @staticmethod
    def write(path: Path, voxels: NDArray[Any], geometry: Geometry, provenance: dict[str, Any]) -> None:
        """Write ``voxels (channels, columns, rows)``; see ``Writer.write``. The provenance holds the synthetic mark."""
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
