"""Files that a person gives: kept in folders of their own under names that are safe."""

import re
import secrets
import shutil
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedIOBase
from pathlib import Path
from threading import Lock

from gandlf_synth.app.reply import RefusedError
from gandlf_synth.files import atomic_path, file_name

LARGEST = 2**30
"""Bytes of a file."""
_MOST_BYTES = 8 * 2**30
_MOST_FILES = 4096
"""Of a folder, such as the slices of a DICOM series."""
_CHUNK = 2**18
_ENDING = re.compile(r"((\.nii|\.ome)?\.[A-Za-z0-9]{1,8})$", re.IGNORECASE)


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

    def add(self, name: str, length: int, content: BufferedIOBase, group: str | None = None) -> str:
        """Keep a file and return by what it is known from now on.

        Args:
            name: as the person's computer has it.
            length: in bytes.
            content: gives the bytes.
            group: what an earlier file is known by that this one belongs to.

        Raises:
            RefusedError: it is too large, or broke off.
        """
        group, number = self._admit(length, group)
        place = self.root / group / self._own_name(group, safe_name(name), number)
        with atomic_path(place) as temporary, temporary.open("wb") as file:
            left = length
            while left and (chunk := content.read(min(left, _CHUNK))):
                file.write(chunk)
                left -= len(chunk)
            if left:
                raise RefusedError(HTTPStatus.BAD_REQUEST, "the file broke off")
        return group

    def _own_name(self, group: str, name: str, number: int) -> str:
        """Return a name that no file of the group has: slices of one series may come from several folders."""
        with self._lock:
            names = self._names.setdefault(group, set())
            own = f"{number}_{name}" if name in names else name
            names.add(own)
            return own

    def _admit(self, length: int, group: str | None) -> tuple[str, int]:
        """Return the group of a file, and which of its files it is."""
        with self._lock:
            if length > LARGEST or self._bytes + length > _MOST_BYTES:
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"files may have at most {LARGEST:,} bytes")
            if group is not None and self._counts.get(group, _MOST_FILES) >= _MOST_FILES:
                raise RefusedError(HTTPStatus.NOT_FOUND, "no such file")
            group = group or secrets.token_hex(8)
            self._bytes += length
            self._counts[group] = self._counts.get(group, 0) + 1
            return group, self._counts[group]

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


def safe_name(name: str) -> str:
    """Return ``name`` as that of a file in a folder, with its ending.

    Example:
        >>> safe_name("../t1 left.NII.gz"), safe_name("IM0001")
        ('t1 left.nii.gz', 'IM0001')
    """
    last = re.split(r"[/\\]", name)[-1]
    ending = match.group() if (match := _ENDING.search(last)) and match.start() else ""
    return file_name(last.removesuffix(ending)) + ending.lower()
