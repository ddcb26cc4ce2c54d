"""Reads one file of a tar archive, such as a shard of WebDataset: ``shard-000.tar#case_17.png``.

Nothing is unpacked but the file that is asked for. Where each file begins is found once for an archive.
"""

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError
from gandlf_synth.data.formats.readers.cell import MARK, read_image
from gandlf_synth.errors import did_you_mean, listing

SUFFIX = ".tar"
_SHOWN = 5
_MOST_BEHIND = 2**20
"""Bytes behind the last file that are looked at; writers fill up to some 10 kB with zeros."""
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Member:
    """Where the content of a file lies in its archive, in bytes."""

    start: int
    size: int


class TarReader(Reader):
    """Reads the images in tar archives; the name of the file stands after ``#``."""

    suffixes = (SUFFIX,)
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image in a file of the archive, which the reader of its format reads.

        Args:
            path: the archive, not compressed.
            part: the name of a file in it, and after another ``#`` a part of that.

        Raises:
            UnreadableError: the archive or the file is damaged, or there is no such file.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> folder = Path(tempfile.mkdtemp())
            >>> np.save(folder / "case_17.npy", np.zeros((8, 9, 10), np.float32))
            >>> with tarfile.open(folder / "shard.tar", "w") as archive:
            ...     archive.add(folder / "case_17.npy", "case_17.npy")
            >>> TarReader()(folder / "shard.tar", "case_17.npy").geometry.shape
            (8, 9, 10)
        """
        names = members(path)
        name, inner = _named(names, part)
        with TemporaryDirectory() as folder:
            copy = Path(folder) / f"image{''.join(PurePosixPath(name).suffixes[-3:])}"
            if copy.suffix.lower() == SUFFIX:
                raise UnreadableError(f"names {name!r}, an archive in an archive", "an image")
            copy.write_bytes(read_member(path, names[name]))
            try:
                return read_image(Path(f"{copy}{MARK}{inner}") if inner else copy)
            except UnreadableError as error:
                raise UnreadableError(f"has a file {name!r} that {error.what}", error.allowed, error.fix) from error


def _named(names: Mapping[str, Member], part: str) -> tuple[str, str]:
    """Return the name of the file that ``part`` begins with, and what follows the last mark."""
    if not part:
        what = f"is an archive of {len(names):,} files: {listing(names, _SHOWN)}"
        fix = f"name it after {MARK}, as in shard.tar{MARK}{next(iter(names))}"
        raise UnreadableError(what, "one file per cell", fix)
    if part in names:
        return part, ""
    name, _, inner = part.rpartition(MARK)
    if name in names:
        return name, inner
    raise UnreadableError(f"has no file {part!r}", listing(names, _SHOWN), did_you_mean(part, list(names)))


def members(path: Path) -> Mapping[str, Member]:
    """Return where every file of an archive lies, by its name.

    Raises:
        UnreadableError: it is compressed, damaged or incomplete, holds no file, or one name twice.
        OSError: it cannot be looked at.
    """
    own = path.stat()
    return _index(path, (own.st_size, own.st_mtime_ns, own.st_ino))


def read_member(path: Path, member: Member) -> bytes:
    """Return the content of a file of an archive.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return os.pread(file.fileno(), member.size, member.start)


@lru_cache(maxsize=64)
def _index(path: Path, _state: tuple[int, ...]) -> Mapping[str, Member]:
    found: dict[str, Member] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                if not entry.isreg() or entry.issparse():
                    continue
                name = entry.name.removeprefix("./")
                if name in found:
                    raise UnreadableError(f"holds {name!r} twice", "every name once")
                found[name] = Member(entry.offset_data, entry.size)
            _check_end(path, archive.offset, list(found))
    except OSError:
        raise
    except (tarfile.TarError, *DAMAGE) as error:
        fix = "a compressed one has to be unpacked first, as by gunzip"
        raise UnreadableError(f"is no tar archive, or damaged ({error})", fix=fix) from error
    if not found:
        raise UnreadableError("is an archive without files")
    return found


def _check_end(path: Path, end: int, names: list[str]) -> None:
    """Refuse an archive that does not end where its last file does: tarfile stops at damage without a word."""
    with path.open("rb") as file:
        file.seek(end)
        behind = file.read(_MOST_BEHIND)
    last = f"behind {names[-1]!r}" if names else "at its beginning"
    if len(behind) < _BLOCK and not any(behind):
        raise UnreadableError(f"is incomplete: it stops without an end mark {last}", fix="copy or write it again")
    if any(behind):
        raise UnreadableError(f"is damaged, or goes on without being an archive, {last}", fix="copy or write it again")
