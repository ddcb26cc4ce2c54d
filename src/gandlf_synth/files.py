"""Paths, and writing files so that no reader ever sees half of one."""

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from filelock import FileLock, Timeout

from gandlf_synth.errors import ConfigError, DataError, Problem, ResourceError

_NAME_PART = 60
"""Characters of a name that its temporary one repeats: the ending, which tells the format; any name stays legal."""

_LONGEST_NAME = 80
_NUMBERS = range(1, 10)
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{name}{number}" for name in ("COM", "LPT") for number in _NUMBERS)}
"""What Windows takes for devices, whatever the ending."""

_UNFINISHED = re.compile(r"\.[0-9a-f]{8}\..+", re.DOTALL)
"""Names of temporary files; see ``atomic_path``."""


class TakesPaths:
    """A dataclass whose fields of type ``Path`` take texts too, as they are written in a notebook."""

    def __post_init__(self) -> None:
        """Turn texts into paths."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, str) and Path in (get_args(field.type) or (field.type,)):
                object.__setattr__(self, field.name, Path(value))


@contextmanager
def only_writer(folder: Path, what: str) -> Iterator[None]:
    """Keep other processes out of ``folder`` for the length of the block; a crash gives the lock back.

    Args:
        folder: is made where it does not exist, and removed where nothing was written into it.
        what: what it is called in messages, such as ``model folder``.

    Raises:
        ResourceError: another process is using the folder, or it cannot be written.
    """
    where, file = f"{what} {folder}", folder / ".lock"
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file, timeout=0)
        lock.acquire()
    except Timeout as error:
        fix = "wait for it, stop it, or use another folder"
        raise ResourceError(Problem(where, "is in use by another run", fix=fix)) from error
    except OSError as error:
        raise _unwritable(where, error) from error
    try:
        yield
    finally:
        if is_new and not holds_files(folder):
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def holds_files(folder: Path) -> bool:
    """Say whether a folder is there and holds more than the file by which processes keep each other out."""
    return folder.is_dir() and any(path.name != ".lock" for path in folder.iterdir())


@contextmanager
def atomic_path(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error.

    Args:
        path: the file to write.
        new: whether a file that is there, or comes there meanwhile, must stay.

    Raises:
        ConfigError: with ``new``, the file exists.
        ResourceError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{uuid4().hex[:8]}.{path.name[-_NAME_PART:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if new:
            path.touch(exist_ok=False)
        temporary.replace(path)
    except FileExistsError as error:
        raise ConfigError(Problem(str(path), "exists", fix="name another one")) from error
    except OSError as error:
        raise _unwritable(str(path), error) from error
    finally:
        _remove(temporary)


@contextmanager
def new_folder(folder: Path, what: str) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder`` that takes its place when the block ends without an error.

    Args:
        folder: new or empty; two processes cannot both make it, and nobody sees half of it.
        what: what it is called in messages.

    Raises:
        ConfigError: the folder is not empty, or it is a file.
        ResourceError: the disk is full or the folder cannot be written.
    """
    where = f"{what} {folder}"
    temporary = folder.with_name(f".{uuid4().hex[:8]}.{folder.name}")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(Problem(where, "is not empty" if folder.is_dir() else "is a file", fix="name a new one"))
        temporary.mkdir(parents=True)
        yield temporary
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise ConfigError(Problem(where, "is not empty", fix="name a new one")) from error
        raise _unwritable(where, error) from error
    except ResourceError as error:
        problems = [replace(each, where=each.where.replace(str(temporary), str(folder))) for each in error.problems]
        raise ResourceError(*problems) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_numbered_folder(root: Path, name: str) -> Path:
    """Make the folder ``name`` in ``root``, or ``name_1``, ``name_2`` … where there are such already; return it."""
    number = 0
    while True:
        folder = root / (f"{name}_{number}" if number else name)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _unwritable(str(folder), error) from error
        else:
            return folder


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder`` that takes its place when the block ends without an error.

    Args:
        folder: the folder; what it held before is removed.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    temporary, old = (folder.with_name(f".{uuid4().hex[:8]}.{folder.name[-_NAME_PART:]}") for _ in range(2))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    except OSError as error:
        raise _unwritable(str(folder), error) from error
    finally:
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _unwritable(where: str, error: OSError) -> ResourceError:
    fix = "free some space or choose another folder; what was there before is untouched"
    return ResourceError(Problem(where, f"cannot be written: {error.strerror or error}", fix=fix))


def _remove(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what writes into ``folder`` left that were killed; nothing may be writing there."""
    for path in folder.glob(".*"):
        if _UNFINISHED.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif _UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def file_name(text: str) -> str:
    """Return ``text`` as part of a file name: legal on every system, in its folder, different for different texts.

    Whatever names a file but was not made here goes through this: columns, classes and networks of a checkpoint or a
    CSV. What had to be changed gets a digest of the text, so that two texts never become one file.

    >>> file_name("t1"), file_name("../../victim")
    ('t1', '_.._victim_e2c35920')
    """
    kept = unicodedata.normalize("NFC", text)
    kept = "".join(letter if letter.isalnum() or letter in "-_.+ " else "_" for letter in kept)
    kept = kept.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore").strip(". ")
    if kept.partition(".")[0].upper() in _DEVICES:
        kept = f"_{kept}"
    if kept == text and kept:
        return text
    number = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept}_{number}"


def relative_to(path: Path, file: Path) -> Path:
    """Return ``path`` as it is written in ``file``, relative to the folder of that.

    >>> relative_to(Path("made/a.png"), Path("made/logs/images.csv")).as_posix()
    '../a.png'
    """
    return Path(os.path.relpath(path, file.parent))


def write_bytes(path: Path, content: bytes, *, new: bool = False) -> None:
    """Write ``content`` to ``path`` atomically; see ``atomic_path``."""
    with atomic_path(path, new=new) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str, *, new: bool = False) -> None:
    """Write ``content`` to ``path`` atomically, as UTF-8; see ``atomic_path``."""
    write_bytes(path, content.encode(), new=new)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path`` atomically, as indented JSON with sorted keys."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the mapping that a JSON text holds.

    Raises:
        DataError: it is no JSON, is nested too deeply, holds absurd numbers, or is no mapping.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(Problem(where, f"is damaged, or was not written by this program: {what}")) from error
    if not isinstance(content, dict):
        raise DataError(Problem(where, f"holds a {type(content).__name__}", "a mapping, as this program writes it"))
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds that this program wrote.

    Raises:
        DataError: it cannot be read, or see ``parse_json``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    return parse_json(content, str(path))


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return ``rows``, of which the first is the header, as the text of a CSV.

    >>> csv_text([["SubjectID", "Channel_0"], ["a", "scans/a, left.png"]]).splitlines()
    ['SubjectID,Channel_0', 'a,"scans/a, left.png"']
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Iterable[object]], *, new: bool = False) -> None:
    """Write ``rows``, of which the first is the header, to ``path`` atomically; see ``atomic_path``."""
    write_text(path, csv_text(rows), new=new)
