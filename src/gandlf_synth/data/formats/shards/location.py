"""A folder of files on a disk or behind a URL: what is read and written there, tried again where a network fails.

URLs are those of fsspec: ``s3://``, ``gs://``, ``az://``, ``http://`` and so on.
"""

import errno
import logging
import os
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any, TypeVar

from gandlf_synth.data.formats.shards.transport import (
    READ_ONLY,
    connect,
    failure_of,
    fetch_file,
    library_errors,
    missing,
    refusal_of,
)
from gandlf_synth.errors import DataError, GandlfSynthError, Problem, ResourceError
from gandlf_synth.files import atomic_path, write_bytes

T = TypeVar("T")
PAUSES = [0.5, 2.0, 8.0]
"""Seconds between attempts where a server fails."""
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}([^/].*)", re.DOTALL)
_PIECE = 2**22
_OF_THE_TARGET = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_log = logging.getLogger(__name__)


def as_url(place: Path | str) -> str | None:
    """Return ``place`` as a URL where it is one, also after ``Path`` has taken one of its slashes; else None.

    Example:
        >>> as_url(Path("s3://bucket/store")), as_url("https://host/a.png"), as_url("data/a.png")
        ('s3://bucket/store', 'https://host/a.png', None)
    """
    match = _URL.fullmatch(str(place))
    return None if match is None or match[1] == "file" else f"{match[1]}://{match[2]}"


class UrlPath(type(Path())):  # type: ignore[misc]
    """A URL where paths are handed on: ``Path`` drops one of its slashes, and messages and records would show that.

    Example:
        >>> str(Path("s3://bucket/store")), str(UrlPath("s3://bucket/store")), str(UrlPath("s3://bucket/a") / "b")
        ('s3:/bucket/store', 's3://bucket/store', 's3://bucket/a/b')
    """

    def __str__(self) -> str:
        """Return the URL with both slashes."""
        whole = super().__str__()
        return as_url(whole) or whole


def as_place(place: Path | str) -> Path:
    """Return ``place`` as a path that prints what was given, also where that is a URL."""
    return UrlPath(place) if as_url(place) else Path(place)


class Location:
    """A folder, or what a URL names in the place of one.

    Args:
        place: its path or URL.
    """

    def __init__(self, place: Path | str) -> None:
        self.url = (as_url(place) or "").rstrip("/")
        self.folder = None if self.url else Path(str(place).removeprefix("file://"))
        self._file_system: tuple[int, Any] | None = None

    def __str__(self) -> str:
        """Return the path or URL without credentials, for messages and records."""
        return re.sub(r"://[^/@]*@", "://", self.url) if self.url else str(self.folder)

    def __getstate__(self) -> dict[str, object]:
        """Leave the connection out."""
        return {**self.__dict__, "_file_system": None}

    def at(self, name: str) -> str:
        """Return the place of the file ``name`` for messages."""
        return f"{self}/{name}"

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            DataError: it is not there.
            ResourceError: the server fails or refuses.
        """
        if self.folder is not None:
            return _from_disk(self.folder / name)
        content: bytes = self._tried(name, lambda files: files.cat_file(f"{self.url}/{name}"))
        return content

    def download(self, name: str, target: Path, size: int, checksum: int) -> None:
        """Write a file to ``target``, which is there only once it is whole.

        Raises:
            DataError: it is not there, or again and again of another size or checksum than it should be.
            ResourceError: the server fails or refuses, or the disk is full.
        """

        def attempt(files: Any) -> None:
            with atomic_path(target) as temporary:
                try:
                    self._copy(files, name, temporary)
                except FileNotFoundError:  # which atomic_path would take for one of the target
                    raise _MissingError from None
                except OSError as error:
                    if error.errno in _OF_THE_TARGET:
                        raise
                    raise _TransportError(error) from error
                self._check_whole(temporary, size, checksum)

        self._tried(name, attempt)

    def _copy(self, files: Any, name: str, target: Path) -> None:
        if self.folder is not None:
            copyfile(self.folder / name, target)
        else:
            fetch_file(files, f"{self.url}/{name}", str(target))

    def _check_whole(self, path: Path, size: int, checksum: int) -> None:
        found = path.stat().st_size
        if found != size:
            raise _DamageError(f"has {found:,} bytes where the index says {size:,}")
        if file_checksum(path) != checksum:
            raise _DamageError("has another checksum than the index says")

    def write(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            ResourceError: it cannot be written.
        """
        if self.folder is not None:
            write_bytes(self.folder / name, content)
            return
        self.check_writable()
        self._tried(name, lambda files: files.pipe_file(f"{self.url}/{name}", content), writes=True)

    def upload(self, path: Path, name: str) -> None:
        """Move a file of this disk here.

        Raises:
            ResourceError: it cannot be written.
        """
        if self.folder is not None:
            with atomic_path(self.folder / name) as temporary:
                path.replace(temporary)
            return
        self.check_writable()
        self._tried(name, lambda files: files.put_file(str(path), f"{self.url}/{name}"), writes=True)
        path.unlink()

    def has(self, name: str) -> bool:
        """Say whether there is a file ``name``."""
        if self.folder is not None:
            return (self.folder / name).is_file()
        return bool(self._tried(name, lambda files: files.exists(f"{self.url}/{name}")))

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder; none where there is no such folder."""
        if self.folder is not None:
            place = self.folder / folder
            return {path.name for path in place.iterdir()} if place.is_dir() else set()

        def listed(files: Any) -> set[str]:
            try:
                files.invalidate_cache()
                return {str(path).rsplit("/", 1)[-1] for path in files.ls(f"{self.url}/{folder}", detail=False)}
            except FileNotFoundError:
                return set()

        return self._tried(folder, listed)

    def remove(self, folder: str) -> None:
        """Remove a folder with its files, where there is one."""
        if self.folder is not None:
            rmtree(self.folder / folder, ignore_errors=True)
        elif self.names(folder):
            self._tried(folder, lambda files: files.rm(f"{self.url}/{folder}", recursive=True))

    def state(self, name: str) -> str:
        """Return a text that changes when a file does, as far as the server tells: its size, tag and time.

        Raises:
            DataError: it is not there, or is a folder.
            ResourceError: the server fails or refuses.
        """
        known = self._tried(name, lambda files: files.info(f"{self.url}/{name}" if name else self.url))
        if known.get("type") == "directory":
            raise folder_error(self.at(name))
        keys = ("size", "ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "crc32c", "md5")
        return " ".join(f"{key}={known[key]}" for key in keys if known.get(key) is not None)

    def check_writable(self) -> None:
        """Refuse a server that only reads.

        Raises:
            ResourceError: it is one.
        """
        protocol = self.url.partition(":")[0]
        if protocol in READ_ONLY:
            fix = "write to a folder or to an object store, such as s3://bucket/store"
            raise ResourceError(Problem(str(self), f"cannot be written: {protocol} only reads", fix=fix))

    def _tried(self, name: str, use: Callable[[Any], T], *, writes: bool = False) -> T:
        """Return what ``use`` makes of the file system, tried again where that may help."""
        where = self.at(name) if name else str(self)
        for number, pause in enumerate([*PAUSES, None], 1):
            try:
                return use(self._connection())
            except _MissingError:
                raise missing(where) from None
            except _DamageError as error:
                what = f"{error.what} (tried {number} times)"
                fix = "copy the store again, or remove the file's part beside it and prepare again, which mends it"
                failure: GandlfSynthError = DataError(Problem(where, what, fix=fix))
            except library_errors(_TransportError) as error:
                cause = error.cause if isinstance(error, _TransportError) else error
                if (refusal := refusal_of(where, cause, writes=writes)) is not None:
                    raise refusal from error
                failure = failure_of(where, cause, number)
            if pause is None:
                raise failure
            _log.warning("%s; tried again in %g s", failure, pause)
            time.sleep(pause)
        raise AssertionError("the last attempt raises or returns")

    def _connection(self) -> Any:
        """Return fsspec's file system of this process: connections do not survive a fork."""
        if self.folder is not None:
            return None
        if self._file_system is None or self._file_system[0] != os.getpid():
            self._file_system = (os.getpid(), connect(self.url))
        return self._file_system[1]


def folder_error(where: str) -> DataError:
    """Return the error for a folder where a file is fetched."""
    fix = "copy the folder to a disk and name it there, or pack what is in it into a file"
    return DataError(Problem(where, "is a folder behind a URL, and only single files are fetched", fix=fix))


class _TransportError(Exception):
    def __init__(self, cause: OSError) -> None:
        self.cause = cause


class _MissingError(Exception):
    pass


class _DamageError(Exception):
    def __init__(self, what: str) -> None:
        self.what = what


def _from_disk(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise missing(str(path)) from None
    except OSError as error:
        raise ResourceError(Problem(str(path), f"cannot be read: {error.strerror or error}")) from error


def file_checksum(path: Path) -> int:
    """Return the CRC-32 of the content of a file."""
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            checksum = zlib.crc32(piece, checksum)
    return checksum
