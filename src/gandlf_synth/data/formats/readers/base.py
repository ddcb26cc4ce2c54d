"""What a reader of a file format is; one file per format, found through the entry-point group ``readers``."""

import struct
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from gandlf_synth.data.formats.image import Image
from gandlf_synth.errors import Problem

DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(MemoryError, RuntimeError, struct.error, zlib.error),
)
"""What image libraries raise on damaged content; they promise nothing narrower."""

FOLDER = "/"
"""The ending under which a reader of folders is registered; ``.zarr/`` is that of folders with such a name."""
_MOST_FROM_LITTLE = 2**26
_MOST_PER_BYTE = 1100
"""Deflate cannot make anything more than 1032 times smaller."""


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


class Reader(BaseModel, ABC):
    """Reads one file format.

    Example:
        A format of your own, which ``register`` or an entry point makes known:

        >>> import numpy as np
        >>> from gandlf_synth.geometry import picture_geometry
        >>> class TextReader(Reader):
        ...     suffixes = (".txt",)
        ...
        ...     def __call__(self, path: Path, part: str = "") -> Image:
        ...         rows = np.loadtxt(path, dtype=np.float32, ndmin=2)
        ...         return Image.from_file_values(rows.T[None], picture_geometry(rows.T.shape))
        >>> TextReader().files(Path("image.txt"))
        [PosixPath('image.txt')]
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suffixes: ClassVar[tuple[str, ...]]
    """Lower-case file-name endings, such as ``(".nii", ".nii.gz")``; ``"/"`` stands for a folder, ``".zarr/"`` for one
    with such a name."""
    has_parts: ClassVar[bool] = False
    """Whether a file can hold several images, one of which a CSV cell names after ``#``."""

    @abstractmethod
    def __call__(self, path: Path, part: str = "") -> Image:
        """Return an image in the file's own units.

        Args:
            path: the file, which is there and is not empty.
            part: which of its images, as a CSV cell names it after ``#``; empty for a file of one image.

        Raises:
            UnreadableError: the file is damaged, holds what cannot be one image, or has no such part.
        """

    def files(self, path: Path) -> list[Path]:
        """Return every file that decides what is read from ``path``, itself included."""
        return [path]

    def recognizes(self, path: Path) -> bool:
        """Say by its content whether a file, or a folder for readers of folders, is of this format without its name."""
        return False


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
