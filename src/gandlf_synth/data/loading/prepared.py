"""Preprocessed samples: where their voxels are kept, and how they relate to the files that they were made of."""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.loading.blocks import Block, BlockWriter, Checks, damaged
from gandlf_synth.geometry import Geometry, Voxels

_TAILS = (0.1, 99.9)
_VALUE_BYTES = 4
_NO_MASK = Block(-1, 0)
PerChannel = Literal["scale", "offset", "low", "high", "low_tail", "high_tail"]
"""``prepared value = value in the file · scale + offset``; the smallest and largest prepared value; their 0.1th and
99.9th percentile."""
_PER_CHANNEL: tuple[PerChannel, ...] = ("scale", "offset", "low", "high", "low_tail", "high_tail")
Restore = Callable[[int], Image]
"""Makes a sample again from its files."""


class PreparedRecord(NamedTuple):
    """What is kept of one sample, beside its voxels."""

    file: str
    voxels: Block
    mask: Block
    shape: tuple[int, ...]
    affine: list[list[float]]
    physical: bool
    numbers: list[list[float]]
    """As ``_PER_CHANNEL`` lists them."""


def write_prepared(image: Image, writer: BlockWriter, *, keeps_mask: bool) -> PreparedRecord:
    """Append ``image`` to a file of voxels, and return what is to be known of it."""
    flat = image.array.reshape(image.num_channels, -1)
    low_tail, high_tail = np.percentile(flat, _TAILS, axis=1)
    numbers = (image.scale, image.offset, flat.min(axis=1), flat.max(axis=1), low_tail, high_tail)
    mask = writer.append(image.mask > 0) if keeps_mask and image.mask is not None else _NO_MASK
    grid = image.geometry
    return PreparedRecord(
        writer.path.name, writer.append(image.array), mask, tuple(int(length) for length in grid.shape),
        grid.affine.tolist(), bool(grid.physical), [values.tolist() for values in numbers],
    )  # fmt: skip


def _record_type(record: PreparedRecord) -> list[Any]:
    channels = len(record.numbers[0])
    return [
        ("key", "S16"), ("file", "i4"), ("offset", "i8"), ("checksum", "u4"), ("mask", "i8"), ("mask_checksum", "u4"),
        ("shape", "i4", (len(record.shape),)), ("affine", "f8", (4, 4)), ("physical", "?"),
        *((f"{name}_values", "f8", (channels,)) for name in _PER_CHANNEL),
    ]  # fmt: skip


class PreparedSamples:
    """Prepared samples in the order of their rows, a few hundred bytes each.

    Args:
        files: the files of voxels.
        rows: a record per sample.
        restore: makes one again whose voxels are damaged.
        folder: where what is made of them may be kept.
    """

    def __init__(self, files: Sequence[Path], rows: NDArray[np.void], restore: Restore, folder: Path) -> None:
        self.files, self.rows, self.folder = tuple(files), rows, folder
        self._restore = restore
        self._voxel_checks = Checks(rows["checksum"].tolist(), self._made_again)
        self._mask_checks = Checks(rows["mask_checksum"].tolist(), self._mask_made_again)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def first(self, count: int) -> "PreparedSamples":
        """Return the first ``count`` samples."""
        return PreparedSamples(self.files, self.rows[:count], self._restore, self.folder)

    def grid(self, index: int) -> Geometry:
        """Return the grid of a sample."""
        row = self.rows[index]
        return Geometry(tuple(row["shape"].tolist()), row["affine"].copy(), bool(row["physical"]))

    def values(self, name: PerChannel) -> NDArray[np.float64]:
        """Return a number of every sample and channel, ``(samples, channels)``."""
        values: NDArray[np.float64] = self.rows[f"{name}_values"]
        return values

    @property
    def num_channels(self) -> int:
        """The number of channels, the same for all."""
        return int(self.values("scale").shape[1])

    @property
    def checks(self) -> Checks:
        """What makes sure that voxels are whole."""
        return self._voxel_checks

    def voxels(self, index: int) -> NDArray[np.float32]:
        """Return the prepared values of a sample, ``(channels, *shape)``, mapped from its file.

        Raises:
            DataError: they are damaged and cannot be made again.
        """
        return self._read(index, "offset", np.float32, (self.num_channels,), self._voxel_checks)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return where the mask of a sample is set, ``(*shape)``, mapped from its file.

        Raises:
            DataError: it is damaged and cannot be made again.
        """
        return self._read(index, "mask", np.bool_, (), self._mask_checks)

    def _read(self, index: int, place: str, dtype: Any, first: tuple[int, ...], checks: Checks) -> Voxels:
        row = self.rows[index]
        path, offset = self.files[row["file"]], int(row[place])
        shape = (*first, *row["shape"].tolist())
        try:
            stored = np.memmap(path, dtype, "r", offset, shape)
        except (OSError, ValueError) as error:
            raise damaged(path, str(error)) from error
        return checks.checked(index, stored, path, offset)

    def _made_again(self, index: int) -> Voxels:
        return self._restore(index).array

    def _mask_made_again(self, index: int) -> Voxels:
        mask = self._restore(index).mask
        return np.zeros(0, bool) if mask is None else mask > 0


class PreparedRows:
    """Collects the records of samples as they are found, and makes ``PreparedSamples`` of them.

    Args:
        keys: of the samples, in the order of their rows.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._files: dict[Path, int] = {}
        self._rows: NDArray[np.void] | None = None
        self._known = np.zeros(len(keys), bool)

    def add(self, folder: Path, records: Iterable[tuple[int, PreparedRecord]]) -> None:
        """Take records in, with the place of each; those whose voxels are not there any more are passed over."""
        sizes: dict[str, int] = {}
        for place, record in records:
            if self._rows is None:
                self._rows = np.zeros(len(self._keys), _record_type(record))
            path = folder / record.file
            if record.file not in sizes:
                sizes[record.file] = path.stat().st_size if path.is_file() else -1
            if _end(record) <= sizes[record.file]:
                file = self._files.setdefault(path, len(self._files))
                self._rows[place] = (
                    self._keys[place].encode(), file, *record.voxels, *record.mask, record.shape, record.affine,
                    record.physical, *record.numbers,
                )  # fmt: skip
                self._known[place] = True

    def missing(self) -> list[int]:
        """Return the places of which nothing is known."""
        return np.flatnonzero(~self._known).tolist()

    def samples(self, restore: Restore, folder: Path) -> PreparedSamples:
        """Return all samples, which are known; ``folder`` is where what is made of them may be kept."""
        if self._rows is None:
            raise ValueError("no sample was prepared")
        return PreparedSamples(tuple(self._files), self._rows, restore, folder)


def write_samples(images: Sequence[Image], folder: Path) -> PreparedSamples:
    """Return ``images`` as prepared samples whose voxels are written into ``folder``."""
    rows = PreparedRows([str(place) for place in range(len(images))])
    with BlockWriter(folder) as writer:
        records = [(place, write_prepared(image, writer, keeps_mask=False)) for place, image in enumerate(images)]
    rows.add(folder, records)
    return rows.samples(images.__getitem__, folder)


def _end(record: PreparedRecord) -> int:
    """Return how long the file of voxels must be."""
    voxels = record.voxels.offset + _VALUE_BYTES * len(record.numbers[0]) * prod(record.shape)
    return max(voxels, record.mask.offset + prod(record.shape) if record.mask != _NO_MASK else 0)
