"""Where a CSV cell points: a file or a folder, and optionally a part of it, written after ``#``.

``fmri.nii.gz#3`` is the fourth volume of a file, ``study#401`` the series with that number in a DICOM folder. A name
that exists as it is written is never split.
"""

import os
from dataclasses import dataclass
from pathlib import Path

MARK = "#"
"""Stands between a path and the part of it that is meant."""


@dataclass(frozen=True)
class Location:
    """A file or folder and the part of it that is meant; an empty part is the whole."""

    path: Path
    part: str = ""


def locate(cell: Path) -> Location:
    """Return the file or folder that ``cell`` names, with the part after ``#`` apart."""
    name, mark, part = cell.name.rpartition(MARK)
    if not mark or exists(cell):
        return Location(cell)
    return Location(cell.with_name(name) if name else cell.parent, part)


def exists(path: Path) -> bool:
    """Say whether there is a file or folder; one that must not be looked at, or has too long a name, is not there."""
    return os.path.exists(path)  # noqa: PTH110
