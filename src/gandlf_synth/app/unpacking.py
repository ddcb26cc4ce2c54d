"""Files that come in one ZIP, such as a DICOM series as a hospital's archive hands it out; trusted in nothing."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import IO

from gandlf_synth.app.reply import RefusedError

_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _COMMENT_BYTES = 22, 20, 2**16
_MOST_TABLE_BYTES = 2**22
"""Of the table of contents, which is read whole."""
_HIDDEN, _OF_MACOS, _INDEX = ".", "__MACOSX", "DICOMDIR"
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What the standard library says of archives that are damaged, encrypted or packed in a way it does not know."""


Member = tuple[str, int, IO[bytes]]
"""Name, bytes, and a stream that gives no more than these."""


@contextmanager
def opened_archive(path: Path, most_files: int, most_bytes: int) -> Iterator[Iterator[Member]]:
    """Give the visible files of an archive.

    Args:
        path: the archive.
        most_files: that it may hold.
        most_bytes: that they may have together, unpacked.

    Raises:
        RefusedError: it holds more, or nothing, or is damaged or encrypted.
    """
    try:
        _check_table(path, most_files)
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if _is_seen(each)]
            if not 0 < len(members) <= most_files:
                what = f"the ZIP holds {len(members):,} files; from 1 to {most_files:,} are taken"
                raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what)
            if sum(each.file_size for each in members) > most_bytes:
                what = f"the files in the ZIP may have at most {most_bytes:,} bytes together"
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
            yield ((each.filename, each.file_size, archive.open(each)) for each in members)
    except _DAMAGED as error:
        what = "the ZIP cannot be unpacked: it is damaged, encrypted or packed in an unusual way; send its files"
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what) from error


def _is_seen(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if member.is_dir() or not parts or _OF_MACOS in parts:
        return False
    return not parts[-1].startswith(_HIDDEN) and parts[-1] != _INDEX


def _check_table(path: Path, most_files: int) -> None:
    """Refuse a table of contents that would fill the memory before a single file is looked at.

    Raises:
        RefusedError: it is too large.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _COMMENT_BYTES - _END_BYTES - _LOCATOR_BYTES))
        tail = file.read()
    start = tail.rfind(_END)
    if start < 0 or len(tail) < start + _END_BYTES:
        raise zipfile.BadZipFile
    (table_bytes,) = struct.unpack_from("<L", tail, start + 12)
    is_large = tail[max(0, start - _LOCATOR_BYTES) : start].startswith(_END_64)
    if is_large or table_bytes > _MOST_TABLE_BYTES:
        what = f"the ZIP holds too much: at most {most_files:,} files and 4 GB are taken"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
