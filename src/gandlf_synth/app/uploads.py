"""Files that a person gives: kept in folders of their own under names that are safe."""

import re
import secrets
import shutil
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Protocol

from gandlf_synth.app.reply import RefusedError
from gandlf_synth.app.unpacking import opened_archive
from gandlf_synth.files import atomic_path, file_name

LARGEST = 2**30
"""Bytes of a file."""
_MOST_BYTES = 8 * 2**30
_MOST_UNPACKED = 2 * LARGEST
"""Bytes of all files in one ZIP."""
MOST_FILES = 4096
"""Of a folder, such as the slices of a DICOM series."""
_CHUNK = 2**18
_ARCHIVE = ".zip"
_ENDING = re.compile(r"((\.nii|\.ome)?\.[A-Za-z0-9]{1,8})$", re.IGNORECASE)


class Content(Protocol):
    """What gives the bytes of a file."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


@dataclass
class Uploads:
    """The files that were given to one app.

    Args:
        root: where they are kept.
    """

    root: Path
    _bytes: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _names: dict[str, set[str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, name: str, length: int, content: Content, group: str | None = None) -> str:
        """Keep a file, or the files of a ZIP, and return by what they are known from now on.

        Args:
            name: as the person's computer has it.
            length: in bytes.
            content: gives the bytes.
            group: what an earlier file is known by that this one belongs to.

        Raises:
            RefusedError: it is too large, damaged, or broke off.
        """
        if name.lower().endswith(_ARCHIVE):
            return self._add_unpacked(length, content, group)
        return self._keep(name, length, content, group)

    def _keep(self, name: str, length: int, content: Content, group: str | None) -> str:
        self._admit_bytes(length)
        known = self._known(group)
        with atomic_path(self.root / known / self._own_name(known, safe_name(name))) as temporary:
            _write(temporary, length, content)
        return known

    def _add_unpacked(self, length: int, content: Content, group: str | None) -> str:
        """Keep what a ZIP holds, as if its files had been given one by one."""
        self._admit_bytes(length)
        self.root.mkdir(parents=True, exist_ok=True)
        known = self._known(group)
        try:
            with TemporaryDirectory(prefix=".", dir=self.root) as folder:
                archive = Path(folder, "given.zip")
                _write(archive, length, content)
                with opened_archive(archive, MOST_FILES, _MOST_UNPACKED) as members:
                    for name, size, unpacked in members:
                        self._keep(name, size, unpacked, known)
        except RefusedError:
            if group is None:
                shutil.rmtree(self.root / known, ignore_errors=True)
            raise
        return known

    def _known(self, group: str | None) -> str:
        """Return what files are known by: as the earlier ones that they belong to, or anew.

        Raises:
            RefusedError: there are no earlier ones, or no more may be added to them.
        """
        with self._lock:
            if group is None:
                group = secrets.token_hex(8)
                self._counts[group] = 0
            if self._counts.get(group, MOST_FILES) >= MOST_FILES:
                raise RefusedError(HTTPStatus.NOT_FOUND, "no such file")
            return group

    def _own_name(self, group: str, name: str) -> str:
        """Return a name that no file of the group has: slices of one series may come from several folders."""
        with self._lock:
            self._counts[group] += 1
            names = self._names.setdefault(group, set())
            own = f"{self._counts[group]}_{name}" if name in names else name
            names.add(own)
            return own

    def _admit_bytes(self, length: int) -> None:
        with self._lock:
            if length > LARGEST:
                raise RefusedError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"files may have at most {LARGEST:,} bytes each and {_MOST_BYTES:,} together",
                )
            if self._bytes + length > _MOST_BYTES:
                what = f"all files together may have at most {_MOST_BYTES:,} bytes; start the app anew"
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
            self._bytes += length

    def path(self, group: str) -> Path:
        """Return the file that is known by ``group``, or its folder where several are.

        Raises:
            RefusedError: nothing is.
        """
        if group not in self._counts:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such file; give it again")
        files = [path for path in sorted((self.root / group).glob("*")) if not path.name.startswith(".")]
        return files[0] if len(files) == 1 else self.root / group

    def remove_all_but(self, kept: frozenset[str]) -> None:
        """Delete what no kept image was made from."""
        for group in self._counts.keys() - kept:
            shutil.rmtree(self.root / group, ignore_errors=True)


def _write(path: Path, length: int, content: Content) -> None:
    """Write so many bytes.

    Raises:
        RefusedError: there are fewer.
    """
    with path.open("wb") as file:
        left = length
        while left and (chunk := content.read(min(left, _CHUNK))):
            file.write(chunk)
            left -= len(chunk)
    if left:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the upload ended before the end of the file; give the file again")


def safe_name(name: str) -> str:
    """Return ``name`` as that of a file in a folder, with its ending.

    Example:
        >>> safe_name("../t1 left.NII.gz"), safe_name("IM0001")
        ('t1 left.nii.gz', 'IM0001')
    """
    last = re.split(r"[/\\]", name)[-1]
    ending = match.group() if (match := _ENDING.search(last)) and match.start() else ""
    return file_name(last.removesuffix(ending)) + ending.lower()
