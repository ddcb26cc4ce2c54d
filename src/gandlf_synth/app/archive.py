"""Everything of an order in one file to download."""

import zipfile
from pathlib import Path

from gandlf_synth.files import atomic_path

_HIDDEN = "."


def write_archive(folder: Path, images: Path, command: str) -> Path:
    """Write the images with their sidecars, the table and the command that repeats them as ZIP, once; return it.

    Args:
        folder: of the order, where the file goes.
        images: the folder of the images.
        command: makes them again.
    """
    archive = folder / "archive.zip"
    if archive.is_file():
        return archive
    with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as target:
        for path in sorted(images.rglob("*")):
            if path.is_file() and not path.name.startswith(_HIDDEN):
                target.write(path, Path(images.name, path.relative_to(images)))
        target.writestr(f"{images.name}/command.txt", f"{command}\n")
    return archive
