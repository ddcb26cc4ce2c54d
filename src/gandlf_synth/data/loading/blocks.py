"""Arrays one after another in a file, each with a checksum, which is compared once, when the array is first read."""

import logging
import mmap
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.errors import DataError, Problem, ResourceError
from gandlf_synth.geometry import Voxels

_log = logging.getLogger(__name__)


class Block(NamedTuple):
    """Where an array is: bytes from the start of its file, and the CRC-32 of its bytes."""

    offset: int
    checksum: int


class BlockWriter:
    """Appends arrays to a new file; several threads may.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self.path.open("wb")
        self._lock = Lock()

    def append(self, array: Voxels) -> Block:
        """Write ``array`` and return where it is.

        Raises:
            ResourceError: the disk is full.
        """
        content = np.ascontiguousarray(array)
        checksum = checksum_of(content)
        with self._lock:
            try:
                offset = self._file.tell()
                self._file.write(content.data)
            except OSError as error:
                raise self._cannot(error) from error
        return Block(offset, checksum)

    def flush(self) -> None:
        """Hand what was appended to the system: it is there for all processes, also if this one dies.

        Raises:
            ResourceError: the disk is full.
        """
        try:
            with self._lock:
                self._file.flush()
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> ResourceError:
        fix = "free some space, or name another cache_dir; what was prepared before is kept"
        return ResourceError(Problem(str(self.path), f"cannot be written: {error.strerror or error}", fix=fix))

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, _trace: TracebackType | None) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            if kind is None:
                raise self._cannot(error) from error


def checksum_of(array: Voxels) -> int:
    """Return the CRC-32 of the bytes of ``array``."""
    return zlib.crc32(array.reshape(-1).view(np.uint8).data)


class Checks:
    """Knows which blocks were found whole, and mends the others.

    Processes that are forked from this one share what is known, so that each block is looked at once.

    Args:
        checksums: of every block.
        restore: makes the array of a block again from its source.
    """

    def __init__(self, checksums: Sequence[int], restore: Callable[[int], Voxels]) -> None:
        self._checksums, self._restore = checksums, restore
        self._share()

    def _share(self) -> None:
        self.whole: NDArray[np.uint8] = np.frombuffer(mmap.mmap(-1, max(1, len(self._checksums))), np.uint8)
        """Per block, 1 where it was found whole."""
        self.restored: dict[int, Voxels] = {}
        """Blocks that were made again and cannot be written."""

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only this process knows."""
        return {"_checksums": self._checksums, "_restore": self._restore}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Know nothing yet."""
        self.__dict__.update(state)
        self._share()

    def checked(self, index: int, stored: Voxels, path: Path, offset: int) -> Voxels:
        """Return the array of block ``index``: as it is stored if that is whole, else made again and put in its place.

        Args:
            index: which block.
            stored: what the file holds.
            path: the file.
            offset: bytes before it.

        Raises:
            DataError: it is damaged and cannot be made again.
        """
        if self.whole[index]:
            return stored
        if index in self.restored:
            return self.restored[index]
        if checksum_of(np.ascontiguousarray(stored)) == self._checksums[index]:
            self.whole[index] = 1
            return stored
        _log.warning("%s in the cache is damaged at byte %d; what was there is made again", path, offset)
        array = np.ascontiguousarray(self._restore(index), stored.dtype)
        if array.shape != stored.shape or checksum_of(array) != self._checksums[index]:
            raise damaged(path, "and making it again gives something else")
        try:
            with path.open("r+b") as file:
                os.pwrite(file.fileno(), array.data, offset)
            self.whole[index] = 1
        except OSError:  # a cache that can only be read
            self.restored[index] = array
        return array


def damaged(path: Path, why: str) -> DataError:
    """Return the error of a file of the cache that is damaged and cannot be mended."""
    fix = f"remove the folder {path.parent}, whose content is then computed again"
    return DataError(Problem(str(path), f"is damaged, {why}", fix=fix))
