"""Writes a shard of a store: some samples, made from their files one after another, and their part of the index."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, Mask
from gandlf_synth.data.formats.shards.encoding import EncodedImage, StoredType, encode
from gandlf_synth.data.formats.shards.index import ABSENT, SHARDS, IndexPart, record_type, shard_name, text_of
from gandlf_synth.data.formats.shards.location import Location, file_checksum
from gandlf_synth.data.loading.blocks import Block, BlockWriter
from gandlf_synth.data.loading.prepared import channel_numbers
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.launcher import usable_cores

_ABSENT = Block(ABSENT, 0)
_AHEAD = 4
"""Images per core that are made at a time."""


class Maker(Protocol):
    """Makes the image of a sample, or says why it cannot be made."""

    def __call__(self, sample: Sample) -> Image | Problem:
        """Return the image of ``sample``, or the problem with it."""


@dataclass
class ShardWriter:
    """Appends images to the file of a shard.

    Args:
        path: the file.
        stored_type: in which numbers voxels are kept.
        keeps_mask, keeps_region: whether masks and regions are kept.
    """

    path: Path
    stored_type: StoredType
    keeps_mask: bool = False
    keeps_region: bool = False
    _rows: list[NDArray[np.void]] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _mask_labels: dict[tuple[int, ...], int] = field(default_factory=dict)
    _errors: list[tuple[float, float]] = field(default_factory=list)

    def write(self, images: Iterable[tuple[Sample, str, Image]]) -> IndexPart:
        """Write ``images``, each with its row and its key, and return their part of the index.

        Raises:
            ResourceError: the disk is full.
        """
        with BlockWriter(self.path) as blocks:
            for sample, key, image in images:
                self._append(blocks, sample, key, image)
        largest, square = (np.array(column) for column in zip(*self._errors, strict=True))
        return IndexPart(
            np.concatenate(self._rows), self._texts, [list(labels) for labels in self._mask_labels],
            float(largest.max()), float(square.mean()), self.path.stat().st_size, file_checksum(self.path),
        )  # fmt: skip

    def _append(self, blocks: BlockWriter, sample: Sample, key: str, image: Image) -> None:
        encoded = encode(image.array, self.stored_type)
        voxels = blocks.append(encoded.array)
        mask = _append_labels(blocks, image.mask if self.keeps_mask else None)
        region = _append_labels(blocks, image.region if self.keeps_region else None)
        labels = ABSENT if mask == _ABSENT or image.mask is None else self._labels_of(image.mask)
        self._rows.append(_record(sample, key, image, encoded, (voxels, mask, region), labels))
        self._texts.append(text_of(sample.subject, sample.label_name, sample.extra))
        self._errors.append((encoded.largest_error, encoded.square_error))

    def _labels_of(self, mask: Mask) -> int:
        return self._mask_labels.setdefault(tuple(np.unique(mask).tolist()), len(self._mask_labels))


def _record(
    sample: Sample, key: str, image: Image, encoded: EncodedImage, blocks: tuple[Block, Block, Block], mask_labels: int
) -> NDArray[np.void]:
    grid, (voxels, mask, region) = image.geometry, blocks
    record = np.zeros(1, record_type(len(grid.shape), image.num_channels))
    record[0] = (
        key.encode(), sample.row, 0, *voxels, *mask, *region, mask_labels,
        sample.label or 0, sample.label is not None, bool(grid.physical), grid.shape, grid.affine,
        *channel_numbers(image), encoded.gain, encoded.bias,
    )  # fmt: skip
    return record


def _append_labels(blocks: BlockWriter, labels: Mask | None) -> Block:
    return _ABSENT if labels is None else blocks.append(labels.astype(np.uint16))


def write_shard(
    location: Location, number: int, writer_of: "WriterOf", images: Iterable[tuple[Sample, str, Image]]
) -> IndexPart:
    """Write a shard and then its part of the index, whose presence says that the shard is whole; return the part.

    Args:
        location: the store.
        number: of the shard.
        writer_of: returns what writes into a file.
        images: each with its row and its key.

    Raises:
        DataError: an image cannot be made.
        ResourceError: it cannot be written.
    """
    name = f"{SHARDS}/{shard_name(number)}"
    with _workplace(location) as folder:
        path = folder / f"{shard_name(number)}.bin"
        part = writer_of(path).write(images)
        part.rows["shard"] = number
        location.upload(path, f"{name}.bin")
    location.write(f"{name}.part", part.to_bytes())
    return part


class WriterOf(Protocol):
    """Returns what writes a shard into a file."""

    def __call__(self, path: Path) -> ShardWriter:
        """Return the writer of the file ``path``."""


@contextmanager
def _workplace(location: Location) -> Iterator[Path]:
    """Yield a folder for a file that is being written, on the disk of the store where it lies on one."""
    if location.folder is not None:
        location.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=location.folder, prefix=".writing-") as folder:
        yield Path(folder)


def made_images(samples: Sequence[Sample], keys: Sequence[str], make: Maker) -> Iterator[tuple[Sample, str, Image]]:
    """Yield every sample with its key and its image, made by several threads.

    Raises:
        DataError: every sample that cannot be made.
    """
    problems: list[Problem] = []
    cores = usable_cores()
    rest = iter(zip(samples, keys, strict=True))
    with ThreadPoolExecutor(cores) as pool:
        while part := list(islice(rest, cores * _AHEAD)):
            for (sample, key), outcome in zip(part, pool.map(make, [sample for sample, _ in part]), strict=True):
                if isinstance(outcome, Problem):
                    problems.append(outcome)
                elif not problems:
                    yield sample, key, outcome
    raise_if_any(problems, DataError)
