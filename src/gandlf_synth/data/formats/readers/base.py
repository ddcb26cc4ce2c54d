"""What a reader of a file format does; one file per format, found through the entry-point group ``readers``."""

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.location import Location, locate
from gandlf_synth.errors import Problem, did_you_mean, listing

DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(MemoryError, RuntimeError, struct.error, zlib.error),
)
"""What image libraries raise on damaged content; they promise nothing narrower."""

FOLDER = "/"
"""The ending under which a reader of folders is registered."""
_MOST_FROM_LITTLE = 2**26
_MOST_PER_BYTE = 1100
"""Deflate cannot make anything more than 1032 times smaller."""
_DICOM_MARK = slice(128, 132)


class UnreadableError(Exception):
    """A file that a reader cannot use; the caller knows the row and column and makes the message.

    Args:
        what: what is wrong, without the path, such as ``"is truncated: 1,024 of 4,096 bytes"``.
        allowed, fix: as in ``errors.Problem``.
    """

    def __init__(self, what: str, allowed: str = "", fix: str = "") -> None:
        self.what, self.allowed, self.fix = what, allowed, fix
        super().__init__(what)

    def at(self, where: str) -> Problem:
        """Return the problem, placed."""
        return Problem(where, self.what, self.allowed, self.fix)


class Reader(Protocol):
    """Reads one file format."""

    suffixes: tuple[str, ...]
    """Lower-case file-name endings, such as ``(".nii", ".nii.gz")``; ``"/"`` stands for a folder."""

    def read(self, path: Path) -> Image:
        """Return the whole image in the file's own units.

        Raises:
            UnreadableError: the file is damaged, or holds what cannot be one image.
        """


@runtime_checkable
class PartReader(Protocol):
    """A reader of files that hold several images, one of which a CSV cell can name after ``#``."""

    def read_part(self, path: Path, part: str) -> Image:
        """Return the image that ``part`` names.

        Raises:
            UnreadableError: as for ``Reader.read``, or there is no such part.
        """


@runtime_checkable
class CompanionReader(Protocol):
    """A reader of images that lie in several files."""

    def files(self, path: Path) -> list[Path]:
        """Return every file that decides what is read from ``path``, itself included."""


@cache
def _readers() -> dict[str, Reader]:
    by_suffix: dict[str, Reader] = {}
    for name in registry.names("readers"):
        reader: Reader = registry.load("readers", name)
        by_suffix.update(dict.fromkeys(reader.suffixes, reader))
    return by_suffix


def readable_suffixes() -> list[str]:
    """Return every file-name ending that some reader knows."""
    return sorted(_readers())


def is_readable(path: Path) -> bool:
    """Say whether some reader knows the ending of ``path``."""
    return _reader(locate(path).path) is not None


def source_files(cell: Path) -> list[Path]:
    """Return the files that decide what ``read_image(cell)`` returns: one, or all of a DICOM folder, and so on."""
    path = locate(cell).path
    reader = _reader(path)
    return reader.files(path) if isinstance(reader, CompanionReader) else [path]


def read_image(cell: Path) -> Image:
    """Return the image that a CSV cell names (see ``data.location``), read by the format's reader.

    Raises:
        UnreadableError: the file is missing, empty, of an unknown format, damaged, or has no such part.
    """
    location = locate(cell)
    image = _read(location)
    if image.array.size == 0:
        raise UnreadableError(f"has an axis of length 0: {image.geometry.shape}")
    return image


def _read(location: Location) -> Image:
    path, part = location.path, location.part
    if not path.exists():
        raise UnreadableError("does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise UnreadableError("is empty (0 bytes)")
    if not (path.is_file() or path.is_dir()):
        raise UnreadableError("is neither a file nor a folder")
    reader = _reader(path)
    if reader is None:
        raise _unknown_type(path)
    if not part:
        return reader.read(path)
    if not isinstance(reader, PartReader):
        raise UnreadableError(f"names a part (#{part}), but files of this type hold one image", fix="leave # out")
    return reader.read_part(path, part)


def _reader(path: Path) -> Reader | None:
    if path.is_dir():
        return _readers().get(FOLDER)
    matching = [suffix for suffix in _readers() if path.name.lower().endswith(suffix)]
    if matching:
        return _readers()[max(matching, key=len)]
    return _readers().get(".dcm") if is_marked_dicom(path) else None


def is_marked_dicom(path: Path) -> bool:
    """Say whether a file of any name starts as DICOM does (PS3.10, section 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_MARK.stop)[_DICOM_MARK] == b"DICM"
    except OSError:
        return False


def _unknown_type(path: Path) -> UnreadableError:
    if path.is_dir():
        return UnreadableError("is a folder", "a file, or a folder with one DICOM series")
    known = [suffix for suffix in readable_suffixes() if suffix != FOLDER]
    what = f"has an unknown file type {path.suffix!r}"
    return UnreadableError(what, listing(known), did_you_mean(path.suffix, known))


def check_declared(declared: int, stored: int) -> None:
    """Refuse compressed content that declares implausibly more bytes than it is stored in, before it is unpacked.

    Args:
        declared: bytes that the header promises.
        stored: bytes of the compressed file.

    Raises:
        UnreadableError: more than 64 MiB, and more than 1,100 times what is stored.
    """
    if declared > max(_MOST_FROM_LITTLE, _MOST_PER_BYTE * stored):
        raise UnreadableError(
            f"declares {declared:,} bytes of voxels, more than its {stored:,} bytes can plausibly hold"
        )


def chosen_number(part: str, count: int, kind: str) -> int:
    """Return ``part`` as a number from 0 to ``count`` - 1.

    Args:
        part: what the cell says after ``#``.
        count: how many there are.
        kind: what is counted, such as ``"volumes"``.

    Raises:
        UnreadableError: ``part`` is no such number.
    """
    if not part.isascii() or not part.isdigit() or int(part) >= count:
        raise UnreadableError(f"has no part #{part}: it holds {count:,} {kind}", f"#0 to #{count - 1}")
    return int(part)
