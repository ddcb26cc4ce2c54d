"""Images of one shape in files that are mapped into memory: a batch is one gather, and processes share the pages."""

import mmap
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.data.loading.blocks import Checks, checksum_of, damaged
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.errors import DataError
from gandlf_synth.files import atomic_path
from gandlf_synth.provenance import digest

_RESIDENT_BYTES = 32 * 2**20
"""What may be gathered before the mapped pages are handed back; the files stay in the system's page cache."""
_VALUE_BYTES = 4


class NetworkImages(Protocol):
    """Images of one shape in [-1, 1], the same in every epoch.

    Args:
        key: stands for the images and their order.
        folder: where what is made of them may be kept.
        shape: ``(count, channels, *spatial)``.
    """

    key: str
    folder: Path
    shape: tuple[int, ...]

    def gather(self, places: Tensor) -> Tensor:
        """Return the images at ``places (batch,)``, ``(batch, channels, *spatial)``."""


class MappedImages:
    """Images of one shape, float32, in files where they lie one after another; each is checked when it is first read.

    The memory that they take is the system's page cache, which all processes share and which gives way when memory is
    short; the process itself keeps only a bounded part of it mapped.

    Args:
        files: the files.
        places: per image, the number of its file and its place there, ``(count, 2)``.
        shape: of one image, ``(channels, *spatial)``.
        checks: makes sure that they are whole.
        key: stands for the images and their order.
        folder: where what is made of them may be kept.
        value_range: the map to [-1, 1]; None where they are in it.
    """

    def __init__(
        self,
        files: Sequence[Path],
        places: NDArray[np.int64],
        shape: Sequence[int],
        checks: Checks,
        key: str,
        folder: Path,
        value_range: ValueRange | None = None,
    ) -> None:
        self._files, self._places, self._checks = tuple(files), places, checks
        self._range = value_range
        self.key, self.folder, self.shape = key, folder, (len(places), *shape)
        self._open()

    @classmethod
    def of(cls, samples: PreparedSamples, value_range: ValueRange) -> Self:
        """Return prepared samples of one shape as the network sees them."""
        rows = samples.rows
        shape = (samples.num_channels, *samples.grid(0).shape)
        places = np.stack([rows["file"], rows["offset"] // (_VALUE_BYTES * prod(shape))], axis=1).astype(np.int64)
        ends = [value_range.scale.tolist(), value_range.offset.tolist()]
        key = digest([ends, checksum_of(np.ascontiguousarray(rows["key"]))])
        return cls(samples.files, places, shape, samples.checks, key, samples.folder, value_range)

    @classmethod
    def read(cls, path: Path, shape: Sequence[int]) -> Self:
        """Return the images of ``shape (count, channels, *spatial)`` that ``write`` put into a file.

        Raises:
            DataError: it is shorter than that.
        """
        count, *single = shape
        if not cls.is_complete(path, shape):
            raise damaged(path, "it is too short")
        checksums = np.memmap(path, np.uint32, "r", _VALUE_BYTES * prod(shape), (count,))

        def restore(_: int) -> NDArray[np.float32]:
            path.unlink(missing_ok=True)
            raise DataError(*damaged(path, "and was removed; start again or resume, and it is made anew").problems)

        places = np.stack([np.zeros(count, np.int64), np.arange(count)], axis=1)
        return cls([path], places, single, Checks(np.array(checksums).tolist(), restore), path.stem, path.parent)

    @staticmethod
    def write(path: Path, images: Iterable[NDArray[np.float32]]) -> None:
        """Write ``images``, each ``(channels, *spatial)``, and after them their checksums, atomically."""
        checksums = []
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            for image in images:
                content = np.ascontiguousarray(image, dtype=np.float32)
                checksums.append(checksum_of(content))
                file.write(content.data)
            file.write(np.array(checksums, np.uint32).data)

    @staticmethod
    def is_complete(path: Path, shape: Sequence[int]) -> bool:
        """Say whether ``path`` holds images of ``shape (count, channels, *spatial)``, by its size."""
        return path.is_file() and path.stat().st_size == _VALUE_BYTES * (prod(shape) + shape[0])

    def __getstate__(self) -> dict[str, object]:
        """Send workers the names of the files, not their content."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_maps", "_images")}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Map the files again."""
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        self._maps, self._images = [], []
        for path in self._files:
            with path.open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            count = len(pages) // (_VALUE_BYTES * prod(self.shape[1:]))
            values = torch.frombuffer(pages, dtype=torch.float32, count=count * prod(self.shape[1:]))
            self._maps.append(pages)
            self._images.append(values.view(count, *self.shape[1:]))
        self._gathered = 0

    def gather(self, places: Tensor) -> Tensor:
        """Return the images at ``places (batch,)``, ``(batch, channels, *spatial)``.

        Raises:
            DataError: one is damaged and cannot be made again.
        """
        indices = places.numpy()
        for index in indices[self._checks.whole[indices] == 0].tolist():
            self._check(index)
        where = self._places[indices]
        batch = torch.empty((len(indices), *self.shape[1:]))
        for file in np.unique(where[:, 0]).tolist():
            own = where[:, 0] == file
            rows = torch.from_numpy(where[own, 1])
            if own.all():
                torch.index_select(self._images[file], 0, rows, out=batch)
            else:
                batch[torch.from_numpy(own)] = self._images[file].index_select(0, rows)
        for place, index in enumerate(indices.tolist() if self._checks.restored else []):
            if index in self._checks.restored:
                batch[place] = torch.from_numpy(self._checks.restored[index])
        self._hand_back(batch.nbytes)
        return batch if self._range is None else self._range.tensor_to_network(batch)

    def _check(self, index: int) -> None:
        file, row = self._places[index].tolist()
        stored = self._images[file][row].numpy()
        self._checks.checked(index, stored, self._files[file], row * stored.nbytes)

    def _hand_back(self, gathered: int) -> None:
        self._gathered += gathered
        if self._gathered > _RESIDENT_BYTES:
            for pages in self._maps:
                pages.madvise(mmap.MADV_DONTNEED)
            self._gathered = 0
