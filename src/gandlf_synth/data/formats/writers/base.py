"""What a writer of a file format does; one file per format, found through the entry-point group ``writers``."""

import json
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from gandlf_synth.geometry import Geometry


class Writer(Protocol):
    """Writes one file format. Equal arguments must give equal bytes: no dates, no paths."""

    suffix: str
    """The file-name ending, such as ``.nii.gz``."""
    channels: tuple[int, ...]
    """How many channels one file can hold."""

    def write(self, path: Path, voxels: NDArray[Any], geometry: Geometry, provenance: dict[str, Any]) -> None:
        """Write one image atomically.

        Args:
            path: the file, with ``suffix``.
            voxels: ``(channels, *spatial)``, in the number type to write.
            geometry: the grid.
            provenance: what JSON can hold; kept inside the file.
        """


def as_text(provenance: dict[str, Any]) -> str:
    """Return ``provenance`` as JSON on one line of ASCII, keys sorted."""
    return json.dumps(provenance, sort_keys=True)


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Return the provenance inside a file that one of our writers wrote, or None when it has none."""
    text = _embedded_text(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _embedded_text(path: Path) -> str | None:
    if path.name.endswith((".nii", ".nii.gz")):
        import nibabel as nib

        extensions = nib.load(path).header.extensions
        return str(extensions[0].text) if extensions else None
    if path.suffix == ".png":
        from PIL import Image

        with Image.open(path) as picture:
            text = picture.info.get("gandlf_synth")
            return text if isinstance(text, str) else None
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return str(tiff.pages[0].description)
