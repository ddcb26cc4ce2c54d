"""The samples of a store: found in its index, read from its shards, turned back into float32 as they are read."""

import logging
import mmap
import zlib
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.data.formats.shards.encoding import decode
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.loading.mapped_images import MappedImages, NetworkImages
from gandlf_synth.data.loading.prepared import PerChannel, PreparedSamples
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.geometry import Geometry, Voxels
from gandlf_synth.provenance import digest

_Block = Literal["voxels", "mask", "region"]
_OFFSETS = {"voxels": "offset", "mask": "mask", "region": "region"}
_CHECKSUMS = {"voxels": "checksum", "mask": "mask_checksum", "region": "region_checksum"}
_log = logging.getLogger(__name__)


class StoredSamples(PreparedSamples):
    """Samples of a prepared store, in the order of the rows of a split.

    Every block is compared with its checksum when this process, or one that it was forked from, first reads it.

    Args:
        manifest: the rows.
        shards: their files.
        folder: where what is made of the samples may be kept.
        channels: how many of the channels are looked at; None: all. Sources come last.
    """

    def __init__(
        self, manifest: StoredManifest, shards: LocalShards, folder: Path, channels: int | None = None
    ) -> None:
        self.store, self.places, self.shards, self.folder = manifest.store, manifest.samples.places, shards, folder
        self._channels = channels or self.store.description.num_channels
        self._dtype = np.dtype(self.store.description.stored_type)
        self._share()

    def _share(self) -> None:
        size = max(1, len(self.store))
        self._whole = {kind: np.frombuffer(mmap.mmap(-1, size), np.uint8) for kind in _OFFSETS}
        """Per kind of block and row of the store, 1 where it was found whole; processes that are forked share it."""

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only this process knows."""
        return {name: value for name, value in self.__dict__.items() if name != "_whole"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Know nothing yet."""
        self.__dict__.update(state)
        self._share()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.places)

    def first(self, count: int) -> "StoredSamples":
        """Return the first ``count`` samples."""
        rows = StoredManifest.of(self.store, self.places[:count])
        return StoredSamples(rows, self.shards, self.folder, self._channels)

    @property
    def shard_numbers(self) -> NDArray[np.int32]:
        """The shard of every sample."""
        numbers: NDArray[np.int32] = self.store.rows["shard"][self.places]
        return numbers

    def grid(self, index: int) -> Geometry:
        """Return the grid of a sample."""
        row = self.store.rows[self.places[index]]
        return Geometry(tuple(row["shape"].tolist()), row["affine"].copy(), bool(row["physical"]))

    def column(self, name: Literal["key", "shape", "affine"]) -> NDArray[Any]:
        """Return the key, the size or the affine of every sample."""
        values: NDArray[Any] = self.store.rows[name][self.places]
        return values

    def values(self, name: PerChannel) -> NDArray[np.float64]:
        """Return a number of every sample and channel, ``(samples, channels)``."""
        values: NDArray[np.float64] = self.store.rows[f"{name}_values"][self.places, : self._channels]
        return values

    @property
    def num_channels(self) -> int:
        """The number of channels that are looked at, the same for all."""
        return self._channels

    def voxels(self, index: int) -> NDArray[np.float32]:
        """Return the prepared values of a sample, ``(channels, *shape)``.

        Raises:
            DataError: they are damaged.
            ResourceError: their shard cannot be fetched.
        """
        return self.window(index, ())

    def window(self, index: int, window: tuple[slice, ...]) -> NDArray[np.float32]:
        """Return a part of the prepared values of a sample, ``(channels, *shape)``.

        Raises:
            DataError: they are damaged.
            ResourceError: their shard cannot be fetched.
        """
        row = self.store.rows[self.places[index]]
        shape = (self.store.description.num_channels, *row["shape"].tolist())
        own = slice(self._channels)
        stored = self._block(index, "voxels", self._dtype, shape)[(own, *window)]
        return decode(stored, row["gain_values"][own], row["bias_values"][own])

    def given(self) -> NDArray[np.bool_]:
        """Return which channels each row has, ``(samples, channels)``."""
        return np.isfinite(self.values("scale"))

    def mask(self, index: int) -> NDArray[np.uint16] | None:
        """Return the labels of a sample's mask, ``(*shape)``; None where it has none.

        Raises:
            DataError: it is damaged.
        """
        return self._labels(index, "mask")

    def region(self, index: int) -> NDArray[np.uint16] | None:
        """Return the region of a sample, 1 inside, ``(*shape)``; None where it has none.

        Raises:
            DataError: it is damaged.
        """
        return self._labels(index, "region")

    def _labels(self, index: int, kind: Literal["mask", "region"]) -> NDArray[np.uint16] | None:
        row = self.store.rows[self.places[index]]
        if row[kind] < 0:
            return None
        return self._block(index, kind, np.dtype(np.uint16), tuple(row["shape"].tolist()))

    def _block(self, index: int, kind: _Block, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Voxels:
        place = int(self.places[index])
        row, size = self.store.rows[place], prod(shape) * dtype.itemsize
        shard, offset = int(row["shard"]), int(row[_OFFSETS[kind]])
        content = self.shards.read(shard, size, offset)
        if not self._whole[kind][place]:
            content = self._checked(content, row, kind, size)
            self._whole[kind][place] = 1
        return np.frombuffer(content, dtype).reshape(shape)

    def _checked(self, content: bytes, row: np.void, kind: _Block, size: int) -> bytes:
        """Return the content of a block that is whole; of a copy that is not, the shard is fetched again once."""
        shard, offset, wanted = int(row["shard"]), int(row[_OFFSETS[kind]]), int(row[_CHECKSUMS[kind]])
        if zlib.crc32(content) == wanted:
            return content
        file = self.store.description.shards[shard].name
        if self.shards.drop(shard):
            _log.warning("the local copy of %s is damaged and is fetched again", self.store.location.at(file))
            content = self.shards.read(shard, size, offset)
        if zlib.crc32(content) != wanted:
            part = file.replace(".bin", ".part")
            fix = f"copy it again, or remove it and {part} and prepare again, which makes them anew"
            what = f"is damaged: row {int(row['row'])} has another checksum than the index says"
            raise DataError(Problem(self.store.location.at(file), what, fix=fix))
        return content


class StoredImages:
    """Samples of one shape as the network sees them; see ``MappedImages``.

    Args:
        samples: the samples.
        value_range: the map to [-1, 1].
    """

    def __init__(self, samples: StoredSamples, value_range: ValueRange) -> None:
        self._samples, self._range = samples, value_range
        self.folder, self.shape = samples.folder, (len(samples), samples.num_channels, *samples.grid(0).shape)
        ends = [value_range.scale.tolist(), value_range.offset.tolist()]
        about = samples.store.description
        places = zlib.crc32(samples.places.tobytes())
        self.key = digest([ends, about.content, about.stored_type, places, samples.num_channels])

    def gather(self, places: Tensor) -> Tensor:
        """Return the images at ``places (batch,)``, ``(batch, channels, *spatial)``.

        Raises:
            DataError: one is damaged.
            ResourceError: a shard cannot be fetched.
        """
        batch = torch.empty((len(places), *self.shape[1:]))
        for image, place in zip(batch.numpy(), places.tolist(), strict=True):
            image[...] = self._samples.voxels(place)
        return self._range.tensor_to_network(batch)


def network_images(samples: PreparedSamples, value_range: ValueRange) -> NetworkImages:
    """Return prepared samples of one shape as the network sees them."""
    if isinstance(samples, StoredSamples):
        return StoredImages(samples, value_range)
    return MappedImages.of(samples, value_range)
