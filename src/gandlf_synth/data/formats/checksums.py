"""What tells that a file, or the voxels in it, are still those that were written."""

import hashlib
from pathlib import Path

import numpy as np

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers import source_files


def content_sha256(cell: Path) -> str:
    """Return what ``sha256sum`` says of a file; of a folder, the digest of those of its files."""
    found = []
    for file in source_files(cell):
        with file.open("rb") as stream:
            found.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()


def pixels_sha256(voxels: Values) -> str:
    """Return a digest of voxels, ``(channels, *spatial)``, whatever the file format and the header.

    Values count as float32; three equal channels count as one, as readers take a grey picture that is stored in colour.

    Example:
        >>> grey = np.zeros((1, 4, 5), np.uint8)
        >>> pixels_sha256(grey) == pixels_sha256(np.repeat(grey, 3, axis=0))
        True
    """
    channels = voxels[:1] if len(voxels) == 3 and (voxels == voxels[:1]).all() else voxels
    values = np.ascontiguousarray(channels, dtype="<f4")
    return hashlib.sha256(f"{values.shape}\n".encode() + values.tobytes()).hexdigest()
