"""The images of a split in one file, mapped into memory: a batch is one gather, and processes share the pages."""

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.files import atomic_path

_RESIDENT_BYTES = 32 * 2**20
"""What may be gathered before the mapped pages are handed back; the file stays in the system's page cache."""


class MappedImages:
    """Images of one shape, one after another in a file of float32.

    The memory that they take is the system's page cache, which all processes share and which gives way when memory is
    short; the process itself keeps only a bounded part of it mapped.

    Args:
        path: the file.
        shape: ``(count, channels, *spatial)``.
    """

    def __init__(self, path: Path, shape: Sequence[int]) -> None:
        self.path, self.shape = path, tuple(shape)
        self._open()

    @staticmethod
    def write(path: Path, images: Iterable[NDArray[np.float32]]) -> None:
        """Write ``images``, each ``(channels, *spatial)``, atomically."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for image in images:
                file.write(np.ascontiguousarray(image, dtype=np.float32).data)

    def __getstate__(self) -> dict[str, object]:
        """Send workers the name of the file, not its content."""
        return {"path": self.path, "shape": self.shape}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Map the file again."""
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        with self.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self._images = torch.frombuffer(self._map, dtype=torch.float32).view(self.shape)
        self._gathered = 0

    def gather(self, places: Tensor) -> Tensor:
        """Return the images at ``places (batch,)``, ``(batch, channels, *spatial)``."""
        batch = self._images.index_select(0, places)
        self._gathered += batch.nbytes
        if self._gathered > _RESIDENT_BYTES:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._gathered = 0
        return batch
