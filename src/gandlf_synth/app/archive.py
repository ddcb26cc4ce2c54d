"""Files in one file to download: everything of an order, or the slices of an image."""

import zipfile
from pathlib import Path

from gandlf_synth.files import atomic_path

_HIDDEN = "."


def write_archive(archive: Path, folder: Path, command: str = "") -> Path:
    """Write what a folder holds as ZIP, unless that was done before; return it.

    Args:
        archive: the file.
        folder: images with their sidecars and tables.
        command: what makes them again, which goes with them.
    """
    if archive.is_file():
        return archive
    with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith(_HIDDEN):
                target.write(path, Path(folder.name, path.relative_to(folder)))
        if command:
            target.writestr(f"{folder.name}/command.txt", f"{command}\n")
    return archive
