"""Preprocessed samples: where their voxels are kept, and how they relate to the files that they were made of."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, Mask
from gandlf_synth.data.loading.blocks import Block, BlockWriter, Checks, damaged
from gandlf_synth.geometry import Geometry, Voxels

_TAILS = (0.1, 99.9)
_VALUE_BYTES, _LABEL_BYTES = 4, 2
_ABSENT = Block(-1, 0)
_VOXELS = "voxels-"
PerChannel = Literal["scale", "offset", "low", "high", "low_tail", "high_tail"]
"""``prepared value = value in the file · scale + offset``; the smallest and largest prepared value; their 0.1th and
99.9th percentile. NaN in a channel that the row does not have."""
_PER_CHANNEL: tuple[PerChannel, ...] = ("scale", "offset", "low", "high", "low_tail", "high_tail")
Restore = Callable[[int], Image]
"""Makes a sample again from its files."""


class PreparedRecord(NamedTuple):
    """What is kept of one sample, beside its voxels."""

    file: str
    voxels: Block
    mask: Block
    region: Block
    shape: tuple[int, ...]
    affine: list[list[float]]
    physical: bool
    numbers: list[list[float]]
    """As ``_PER_CHANNEL`` lists them."""


class PreparedWriter:
    """Appends samples to a new file of voxels, and their masks and regions to a file beside it, as threads ask for it.

    Args:
        folder: where the files go.
        masks: whether masks are kept.
        regions: whether regions are kept.
    """

    def __init__(self, folder: Path, *, masks: bool, regions: bool) -> None:
        path = folder / f"{_VOXELS}{uuid4().hex[:12]}.bin"
        self._masks, self._regions = masks, regions
        self._voxels = BlockWriter(path)
        self._labels = BlockWriter(_labels_beside(path)) if masks or regions else None

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, *error: Any) -> None:
        """Close the files."""
        with ExitStack() as stack:
            for writer in self._writers():
                stack.push(writer)

    def flush(self) -> None:
        """Hand what was appended to the system: it is there for all processes, also if this one dies.

        Raises:
            ResourceError: the disk is full.
        """
        for writer in self._writers():
            writer.flush()

    def _writers(self) -> list[BlockWriter]:
        return [self._voxels] if self._labels is None else [self._voxels, self._labels]

    def append(self, image: Image) -> PreparedRecord:
        """Write ``image``, and return what is to be known of it.

        Raises:
            ResourceError: the disk is full.
        """
        mask = self._append_labels(image.mask if self._masks else None)
        region = self._append_labels(image.region if self._regions else None)
        grid = image.geometry
        return PreparedRecord(
            self._voxels.path.name, self._voxels.append(image.array), mask, region,
            tuple(int(length) for length in grid.shape), grid.affine.tolist(), bool(grid.physical),
            channel_numbers(image),
        )  # fmt: skip

    def _append_labels(self, labels: Mask | None) -> Block:
        return _ABSENT if labels is None or self._labels is None else self._labels.append(labels.astype(np.uint16))


def channel_numbers(image: Image) -> list[list[float]]:
    """Return what is kept of each channel of a prepared image, as ``PerChannel`` lists it."""
    flat = image.array.reshape(image.num_channels, -1)
    low_tail, high_tail = np.percentile(flat, _TAILS, axis=1)
    numbers = (image.scale, image.offset, flat.min(axis=1), flat.max(axis=1), low_tail, high_tail)
    given = np.isfinite(image.scale)
    return [np.where(given, values, np.nan).tolist() for values in numbers]


def _labels_beside(voxels: Path) -> Path:
    """Return the file of the masks and regions that belong to a file of voxels."""
    return voxels.with_name(voxels.name.replace(_VOXELS, "labels-", 1))


def _record_type(record: PreparedRecord) -> list[Any]:
    channels = len(record.numbers[0])
    return [
        ("key", "S16"), ("file", "i4"), ("offset", "i8"), ("checksum", "u4"), ("mask", "i8"), ("mask_checksum", "u4"),
        ("region", "i8"), ("region_checksum", "u4"),
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
        self._region_checks = Checks(rows["region_checksum"].tolist(), self._region_made_again)

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

    def column(self, name: Literal["key", "shape", "affine"]) -> NDArray[Any]:
        """Return the key, the size or the affine of every sample."""
        return self.rows[name]

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

    def window(self, index: int, window: tuple[slice, ...]) -> NDArray[np.float32]:
        """Return a part of the prepared values of a sample, ``(channels, *shape)``.

        Raises:
            DataError: they are damaged and cannot be made again.
        """
        return np.array(self.voxels(index)[(slice(None), *window)])

    def given(self) -> NDArray[np.bool_]:
        """Return which channels each row has, ``(samples, channels)``."""
        return np.isfinite(self.values("scale"))

    def mask(self, index: int) -> NDArray[np.uint16] | None:
        """Return the labels of a sample's mask, ``(*shape)``, mapped from its file; None where it has none.

        Raises:
            DataError: it is damaged and cannot be made again.
        """
        return self._read_labels(index, "mask", self._mask_checks)

    def region(self, index: int) -> NDArray[np.uint16] | None:
        """Return the region of a sample, 1 inside, ``(*shape)``, mapped from its file; None where it has none.

        Raises:
            DataError: it is damaged and cannot be made again.
        """
        return self._read_labels(index, "region", self._region_checks)

    def _read_labels(self, index: int, place: str, checks: Checks) -> NDArray[np.uint16] | None:
        if self.rows[index][place] < 0:
            return None
        return self._read(index, place, np.uint16, (), checks)

    def _read(self, index: int, place: str, dtype: Any, first: tuple[int, ...], checks: Checks) -> Voxels:
        row = self.rows[index]
        path, offset = self.files[row["file"]], int(row[place])
        path = path if place == "offset" else _labels_beside(path)
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
        return np.zeros(0, np.uint16) if mask is None else mask.astype(np.uint16)

    def _region_made_again(self, index: int) -> Voxels:
        region = self._restore(index).region
        return np.zeros(0, np.uint16) if region is None else region.astype(np.uint16)


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
        sizes: dict[Path, int] = {}
        for place, record in records:
            if self._rows is None:
                self._rows = np.zeros(len(self._keys), _record_type(record))
            path = folder / record.file
            if all(end <= _size(part, sizes) for part, end in _ends(path, record)):
                file = self._files.setdefault(path, len(self._files))
                self._rows[place] = (
                    self._keys[place].encode(), file, *record.voxels, *record.mask, *record.region, record.shape,
                    record.affine, record.physical, *record.numbers,
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
    masks, regions = (any(getattr(image, name) is not None for image in images) for name in ("mask", "region"))
    with PreparedWriter(folder, masks=masks, regions=regions) as writer:
        records = [(place, writer.append(image)) for place, image in enumerate(images)]
    rows.add(folder, records)
    return rows.samples(images.__getitem__, folder)


def _ends(path: Path, record: PreparedRecord) -> list[tuple[Path, int]]:
    """Return how long the files of a sample must be."""
    size = prod(record.shape)
    maps = [block.offset + _LABEL_BYTES * size for block in (record.mask, record.region) if block != _ABSENT]
    voxels = record.voxels.offset + _VALUE_BYTES * len(record.numbers[0]) * size
    return [(path, voxels), *((_labels_beside(path), end) for end in maps)]


def _size(path: Path, known: dict[Path, int]) -> int:
    if path not in known:
        known[path] = path.stat().st_size if path.is_file() else -1
    return known[path]
