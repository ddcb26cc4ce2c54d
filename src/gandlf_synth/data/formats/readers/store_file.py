"""Reads one image of a store, which a CSV cell names as ``STORE/images.store#17``."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers.base import Reader, UnreadableError, chosen_number
from gandlf_synth.data.formats.shards.encoding import decode
from gandlf_synth.data.formats.shards.index import Store, open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.errors import GandlfSynthError
from gandlf_synth.geometry import Geometry


class StoreReader(Reader):
    """Reads the images of a store in the units of their files; what was done to them is undone, but for their grid."""

    suffixes = (".store",)
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return an image.

        Args:
            path: the file ``images.store`` of the store.
            part: the number of the image, from 0; with ``.1`` behind it, only the second of its channel columns.

        Raises:
            UnreadableError: the store is damaged, or has no such image.
        """
        try:
            store, shards = _opened(path, path.stat().st_mtime_ns)
            number, _, column = part.partition(".")
            image = _image(store, shards, chosen_number(number or "0", len(store), "images"))
            return _column(image, store.description.preparation.column_channels, column) if column else image
        except GandlfSynthError as error:
            raise UnreadableError(f"cannot be read: {error}") from error


@lru_cache(maxsize=8)
def _opened(path: Path, _changed: int) -> tuple[Store, LocalShards]:
    store = open_store(store_location(path), path.parent)
    return store, LocalShards(store, None, None)


def _image(store: Store, shards: LocalShards, place: int) -> Image:
    row, about = store.rows[place], store.description
    channels = sum(about.preparation.column_channels)
    scale, offset = row["scale_values"][:channels], row["offset_values"][:channels]
    if not np.isfinite(scale).all():
        raise UnreadableError("is a row without an image in the channel columns")
    shape, dtype = (about.num_channels, *row["shape"].tolist()), np.dtype(about.stored_type)
    content = shards.read(int(row["shard"]), prod(shape) * dtype.itemsize, int(row["offset"]))
    if zlib.crc32(content) != int(row["checksum"]):
        raise UnreadableError("is damaged: it has another checksum than the index says", fix="copy the store again")
    values = decode(np.frombuffer(content, dtype).reshape(shape), row["gain_values"], row["bias_values"])[:channels]
    axes = (slice(None), *(None,) * (values.ndim - 1))
    in_file_units = ((values - offset[axes]) / scale[axes]).astype(np.float32)
    grid = Geometry(tuple(row["shape"].tolist()), row["affine"].copy(), bool(row["physical"]))
    return Image(in_file_units, grid, about.number_type, np.ones(channels), np.zeros(channels))


def _column(image: Image, column_channels: Sequence[int], column: str) -> Image:
    """Return the channels of one column."""
    place = chosen_number(column, len(column_channels), "columns")
    start = sum(column_channels[:place])
    own = slice(start, start + column_channels[place])
    return replace(image, array=image.array[own], scale=image.scale[own], offset=image.offset[own])
