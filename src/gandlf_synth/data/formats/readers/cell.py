"""Reads the image that a cell of the CSV names: a file or a folder, and optionally a part of it after ``#``.

``fmri.nii.gz#3`` is the fourth volume of a file, ``study#401`` the series with that number in a DICOM folder,
``shard.tar#case/t1.nii.gz`` a file of an archive. A name that exists as it is written is never split.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image, as_slice
from gandlf_synth.data.formats.readers.base import DAMAGE, FOLDER, Reader, UnreadableError
from gandlf_synth.errors import did_you_mean, listing

_MOST_SUFFIXES = 3
"""Parts of a suffix at most: ``.ome.tiff`` has two."""
MARK = "#"
"""Stands between a path and the part of it that is meant."""


@dataclass(frozen=True)
class Location:
    """A file or folder and the part of it that is meant; an empty part is the whole."""

    path: Path
    part: str = ""


def locate(cell: Path) -> Location:
    """Return the file or folder that ``cell`` names, with the part after ``#`` apart.

    Example:
        >>> locate(Path("fmri.nii.gz#3"))
        Location(path=PosixPath('fmri.nii.gz'), part='3')
    """
    text = str(cell)
    if MARK not in text or exists(cell):
        return Location(cell)
    name, mark, part = cell.name.rpartition(MARK)
    whole = cell.with_name(name) if name else cell.parent
    if mark and exists(whole):
        return Location(whole, part)
    inside = _inside_a_file(text)
    return inside or (Location(whole, part) if mark else Location(cell))


def _inside_a_file(text: str) -> Location | None:
    """Return the file and the part where a mark follows the name of a file; the part may hold slashes and marks."""
    ends = [place for place, letter in enumerate(text) if letter == MARK]
    return next((Location(Path(text[:end]), text[end + 1 :]) for end in ends if os.path.isfile(text[:end])), None)  # noqa: PTH113


def exists(path: Path) -> bool:
    """Say whether there is a file or folder; one that must not be looked at, or has too long a name, is not there."""
    return os.path.exists(path)  # noqa: PTH110


def readable_suffixes() -> list[str]:
    """Return every ending of a name that some reader knows, of files and of folders with such a name, and ``"/"``."""
    return sorted(suffix.rstrip(FOLDER) or FOLDER for suffix in _readers())


def readable_in_words() -> str:
    """Return what can be read, for a message: endings, and folders of slices.

    Example:
        >>> readable_in_words().endswith(", folders of DICOM slices")
        True
    """
    return ", ".join([*(suffix for suffix in readable_suffixes() if suffix != FOLDER), "folders of DICOM slices"])


def is_image_folder(name: str) -> bool:
    """Say by its name whether a folder is an image that some reader knows, as ``cells.ome.zarr`` is.

    Example:
        >>> is_image_folder("cells.ome.zarr"), is_image_folder("patient_1")
        (True, False)
    """
    endings = tuple(suffix for suffix in _readers() if suffix.endswith(FOLDER) and suffix != FOLDER)
    return f"{name.lower()}{FOLDER}".endswith(endings)


def is_readable(path: Path) -> bool:
    """Say whether some reader knows the ending of ``path``."""
    return _reader_for(locate(path).path) is not None


def source_files(cell: Path) -> list[Path]:
    """Return the files that decide what ``read_image(cell)`` returns: one, or all of a DICOM folder, and so on."""
    return reader_and_files(cell)[1]


def reader_and_files(cell: Path) -> tuple[Reader | None, list[Path]]:
    """Return what reads ``cell``, None where nothing does, and the files that decide what it returns.

    Raises:
        OSError: a file or folder cannot be looked at.
    """
    path = locate(cell).path
    reader = _reader_for(path)
    try:
        return reader, [path] if reader is None else reader.files(path)
    except OSError:
        raise
    except (UnreadableError, *DAMAGE):
        return reader, [path]


def read_image(cell: Path) -> Image:
    """Return the image that a CSV cell names, read by the format's reader; one voxel along an axis makes it a slice.

    Raises:
        UnreadableError: the file is missing, empty, of an unknown format, damaged, or has no such part.
    """
    location = locate(cell)
    try:
        image = _read(location.path, location.part)
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UnreadableError(f"cannot be read, or is damaged ({reason})") from error
    if image.array.size == 0:
        raise UnreadableError(f"has an axis of length 0: {image.geometry.shape}")
    return as_slice(image)


def _read(path: Path, part: str) -> Image:
    if not path.exists():
        raise UnreadableError("does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise UnreadableError("is empty (0 bytes)")
    if not (path.is_file() or path.is_dir()):
        raise UnreadableError("is neither a file nor a folder")
    reader = _reader_for(path)
    if reader is None:
        raise _unknown_type(path)
    if part and not reader.has_parts:
        raise UnreadableError(f"names a part (#{part}), but files of this type hold one image", fix="leave # out")
    return reader(path, part)


def _reader_for(path: Path) -> Reader | None:
    readers = _readers()
    is_folder = os.path.isdir(path)  # noqa: PTH112 (this is asked of every file of a data set)
    ending = ".".join(path.name.lower().rsplit(".", _MOST_SUFFIXES)[1:]) + (FOLDER if is_folder else "")
    suffix = _suffix_of(ending, tuple(readers))
    if suffix and suffix != FOLDER:
        return readers[suffix]
    possible = [reader for own, reader in readers.items() if own.endswith(FOLDER) == is_folder]
    return next((reader for reader in possible if reader.recognizes(path)), readers.get(suffix))


@lru_cache(maxsize=1024)
def _suffix_of(ending: str, suffixes: tuple[str, ...]) -> str:
    """Return the longest of ``suffixes`` that a name with this ending has, nothing where it has none."""
    return max((suffix for suffix in suffixes if f".{ending}".endswith(suffix)), key=len, default="")


def _readers() -> dict[str, Reader]:
    """Return the reader of every ending; one that was registered a moment ago is among them."""
    return _by_suffix(registry.registered("readers"))


@lru_cache(maxsize=1)
def _by_suffix(_registered: object) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    for name in registry.names("readers"):
        reader: Reader = registry.load("readers", name)()
        readers.update(dict.fromkeys(reader.suffixes, reader))
    return readers


def _unknown_type(path: Path) -> UnreadableError:
    if path.is_dir():
        return UnreadableError("is a folder", "a file, or a folder with one DICOM series")
    suffixes = [suffix for suffix in readable_suffixes() if suffix != FOLDER]
    what = f"has an unknown file type {path.suffix!r}"
    return UnreadableError(what, listing(suffixes), did_you_mean(path.suffix, suffixes))
