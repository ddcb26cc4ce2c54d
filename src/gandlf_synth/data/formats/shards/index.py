"""The index of a store: a fixed number of bytes per row, mapped into memory and shared by all processes of a machine.

A store holds ``images.store`` (what it is), ``index.bin`` (a record per row), ``text.bin`` (what the rows say in words)
and ``shards/``: files of voxels, each with its part of the index beside it, from which the whole is made at the end.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from gandlf_synth.data.formats.shards.encoding import StoredType
from gandlf_synth.data.formats.shards.location import Location, file_checksum
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.files import parse_json
from gandlf_synth.provenance import digest

DESCRIPTION, INDEX, TEXT, SHARDS = "images.store", "index.bin", "text.bin", "shards"
PER_CHANNEL = ("scale", "offset", "low", "high", "low_tail", "high_tail", "gain", "bias")
"""Numbers of a row and channel; the first six as ``PreparedSamples`` has them, then how voxels are stored."""
ABSENT = -1
"""The offset of a mask or region that a row does not have."""
FORMAT = 1


class StoredFile(BaseModel):
    """A file of a store."""

    model_config = ConfigDict(extra="forbid")

    name: str
    size: int
    checksum: int
    """CRC-32 of the content."""


class Preparation(BaseModel):
    """What was done to the images of a store."""

    model_config = ConfigDict(extra="forbid")

    phase: str = "train"
    """For which phase of a training."""
    steps: list[JsonValue] = []
    """The preprocessing, as it is written in a YAML."""
    phases: dict[str, JsonValue] = {}
    """The preprocessing of every phase that goes with it, nothing left open."""
    written: dict[str, JsonValue] = {}
    """What the configuration said of it."""
    shape: list[int] | None = None
    """The size of every image; None where they keep their own, for patches."""
    column_channels: list[int] = [1]
    source_channels: list[int] = []
    """Channels of each source column that is kept."""
    keeps_mask: bool = False
    keeps_region: bool = False
    code: str = ""
    """Digest of the steps with their code."""


class StoreDescription(BaseModel):
    """What a store is; the file ``images.store``."""

    model_config = ConfigDict(extra="forbid")

    format: int = FORMAT
    kind: Literal["prepared", "images"]
    """Preprocessed for training, or images in the units of their files, such as synthetic ones."""
    stored_type: StoredType
    number_type: str
    """The number type of the files that the images come from."""
    spatial_dims: int
    num_channels: int
    count: int
    preparation: Preparation = Preparation()
    facts: dict[str, JsonValue] = {}
    """The facts of the source images together, before preprocessing; see ``inspection.fingerprint``."""
    labels: dict[int, str] = {}
    """The name of each class."""
    mask_labels: list[list[int]] = []
    """The sets of labels that occur in masks."""
    extra_columns: list[str] = []
    subject_rule: str = ""
    names_identify: bool = True
    notes: list[str] = []
    largest_error: float = 0.0
    """Of a stored value, as a share of the range of its image."""
    mean_error: float = 0.0
    """Root of the mean square of the errors, as a share of the range of their image."""
    content: str = ""
    """Digest of all images and of what is said of them, in order: two stores of one data set have the same."""
    shards: list[StoredFile] = []
    index: StoredFile = StoredFile(name=INDEX, size=0, checksum=0)
    text: StoredFile = StoredFile(name=TEXT, size=0, checksum=0)
    provenance: dict[str, JsonValue] = {}
    """What is to be said of every image, such as of which model synthetic ones are."""


def record_type(spatial_dims: int, channels: int) -> np.dtype[np.void]:
    """Return the type of a row of the index."""
    fields: list[Any] = [
        ("key", "S16"), ("row", "i4"), ("shard", "i4"), ("offset", "i8"), ("checksum", "u4"),
        ("mask", "i8"), ("mask_checksum", "u4"), ("region", "i8"), ("region_checksum", "u4"), ("mask_labels", "i4"),
        ("label", "i4"), ("is_labelled", "?"), ("physical", "?"),
        ("shape", "i4", (spatial_dims,)), ("affine", "f8", (4, 4)),
        *((f"{name}_values", "f8", (channels,)) for name in PER_CHANNEL),
    ]  # fmt: skip
    return np.dtype(fields)


@dataclass(frozen=True)
class IndexPart:
    """The part of the index that belongs to one shard.

    Args:
        rows: the records.
        texts: per record, what the row says in words: subject, class name, further columns.
        mask_labels: the sets of labels that the records name by number.
        largest_error, square_error: of stored values; the mean square is that over the images of the part.
        size, checksum: of the shard.
    """

    rows: NDArray[np.void]
    texts: list[str]
    mask_labels: list[list[int]]
    largest_error: float
    square_error: float
    size: int
    checksum: int

    def to_bytes(self) -> bytes:
        """Return the part as the content of a file."""
        about = [self.texts, self.mask_labels, self.largest_error, self.square_error, self.size, self.checksum]
        content = io.BytesIO()
        np.savez(content, rows=self.rows, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> "IndexPart":
        """Return the part that a file holds.

        Raises:
            DataError: it is damaged.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls(arrays["rows"], *json.loads(arrays["about"].tobytes()))
        except (ValueError, TypeError, KeyError, OSError, EOFError) as error:
            fix = "remove it and prepare again, which makes it anew"
            raise DataError(Problem(where, f"is damaged: {error}", fix=fix)) from error


def write_index(
    location: Location, description: StoreDescription, parts: Sequence[IndexPart], count: int
) -> StoreDescription:
    """Write the index that ``parts`` make together, and what the store is; return that.

    Args:
        location: the store.
        description: all but what the parts say.
        parts: of every shard, in order.
        count: the rows that there must be.

    Raises:
        DataError: the parts do not belong together.
    """
    rows = np.concatenate([part.rows for part in parts])
    texts = [text for part in parts for text in part.texts]
    order = np.argsort(rows["row"], kind="stable")
    rows = rows[order]
    if len(rows) != count or len(np.unique(rows["row"])) != count:
        what = f"holds {len(rows):,} rows where the data has {count:,}"
        fix = f"remove the folder {SHARDS} and prepare again"
        raise DataError(Problem(str(location), what, fix=fix))
    sets = _merge_mask_labels(rows, order, parts)
    words = [texts[place].encode() for place in order.tolist()]
    ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
    files = {INDEX: rows.tobytes(), TEXT: ends.tobytes() + b"".join(words)}
    for name, written in files.items():
        location.write(name, written)
    content = digest([zlib.crc32(part) for part in (rows["key"].tobytes(), rows["label"].tobytes(), files[TEXT])])
    squares = [part.square_error * len(part.rows) for part in parts]
    whole = description.model_copy(
        update={
            "count": count, "mask_labels": sets, "content": content,
            "largest_error": max(part.largest_error for part in parts),
            "mean_error": float(np.sqrt(sum(squares) / count)),
            "shards": [_shard_file(number, part) for number, part in enumerate(parts)],
            "index": _stored(INDEX, files[INDEX]), "text": _stored(TEXT, files[TEXT]),
        }
    )  # fmt: skip
    location.write(DESCRIPTION, whole.model_dump_json(indent=1).encode() + b"\n")
    return whole


def _stored(name: str, content: bytes) -> StoredFile:
    return StoredFile(name=name, size=len(content), checksum=zlib.crc32(content))


def _shard_file(number: int, part: IndexPart) -> StoredFile:
    return StoredFile(name=f"{SHARDS}/{shard_name(number)}.bin", size=part.size, checksum=part.checksum)


def shard_name(number: int) -> str:
    """Return the name of a shard without its ending."""
    return f"{number:06d}"


def _merge_mask_labels(rows: NDArray[np.void], order: NDArray[np.int64], parts: Sequence[IndexPart]) -> list[list[int]]:
    """Let rows name their set of labels by its number among those of all parts, and return these."""
    known: dict[tuple[int, ...], int] = {}
    numbers = np.concatenate(
        [
            np.array([known.setdefault(tuple(labels), len(known)) for labels in part.mask_labels] or [0])[
                np.maximum(part.rows["mask_labels"], 0)
            ]
            for part in parts
        ]
    )[order]
    rows["mask_labels"] = np.where(rows["mask_labels"] < 0, ABSENT, numbers)
    return [list(labels) for labels in known]


class Store:
    """A store that is complete: its description, and its index mapped from a local file.

    Args:
        location: where it is.
        description: what it is.
        folder: where index and text lie on this machine.
    """

    def __init__(self, location: Location, description: StoreDescription, folder: Path) -> None:
        self.location, self.description, self.folder = location, description, folder

    def __getstate__(self) -> dict[str, object]:
        """Send other processes the place of the index, not its content."""
        return {"location": self.location, "description": self.description, "folder": self.folder}

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.description.count

    @cached_property
    def rows(self) -> NDArray[np.void]:
        """The record of every row, mapped."""
        about = self.description
        return np.memmap(self.folder / INDEX, record_type(about.spatial_dims, about.num_channels), "r", shape=len(self))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.memmap(self.folder / TEXT, np.int64, "r", shape=len(self) + 1)

    @cached_property
    def _text(self) -> NDArray[np.uint8]:
        return np.memmap(self.folder / TEXT, np.uint8, "r", offset=8 * (len(self) + 1))

    def text(self, place: int) -> tuple[str, str | None, Mapping[str, str]]:
        """Return subject, class name and further columns of a row."""
        start, end = self._ends[place : place + 2].tolist()
        subject, name, extra = json.loads(self._text[start:end].tobytes())
        return subject, name, extra


def text_of(subject: str, class_name: str | None, extra: Mapping[str, str]) -> str:
    """Return what ``Store.text`` reads."""
    return json.dumps([subject, class_name, dict(extra)], ensure_ascii=False)


def is_store(place: Path | str) -> bool:
    """Say whether a folder or URL is a store, or the file that describes one."""
    location = store_location(place)
    if location.folder is not None:
        return (location.folder / DESCRIPTION).is_file()
    return not str(place).lower().endswith((".csv", ".tsv", ".txt"))


def store_location(place: Path | str) -> Location:
    """Return where the store is that a folder, a URL, or the file in it that describes it, names."""
    return Location(str(place).removesuffix(f"/{DESCRIPTION}"))


def read_description(location: Location) -> StoreDescription:
    """Return what a store is.

    Raises:
        DataError: there is none, or it is damaged or of another version.
        ResourceError: the server fails.
    """
    where = location.at(DESCRIPTION)
    content = parse_json(location.read(DESCRIPTION), where)
    if content.get("format") != FORMAT:
        what = f"has the format {content.get('format')}, and this version reads {FORMAT}"
        raise DataError(Problem(where, what, fix="prepare the store again"))
    try:
        return StoreDescription.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        what = f"is damaged: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise DataError(Problem(where, what, fix="copy it again, or prepare the store again")) from error


def open_store(location: Location, local: Path) -> Store:
    """Return a store, its index being brought to ``local`` where it does not lie on a disk.

    Args:
        location: the store.
        local: a folder on this machine.

    Raises:
        DataError: it is damaged.
        ResourceError: the server fails, or the disk is full.
    """
    description = read_description(location)
    if location.folder is not None:
        for file in (description.index, description.text, *description.shards):
            check_size(location.folder / file.name, file)
        return Store(location, description, location.folder)
    folder = local / store_name(location, description)
    for file in (description.index, description.text):
        target = folder / file.name
        if not (target.is_file() and target.stat().st_size == file.size and file_checksum(target) == file.checksum):
            location.download(file.name, target, file.size, file.checksum)
    return Store(location, description, folder)


def store_name(location: Location, description: StoreDescription) -> str:
    """Return the name of the local folder of a store: another content, another folder."""
    return f"store-{digest([str(location), description.content, [file.checksum for file in description.shards]])}"


def check_size(path: Path, file: StoredFile) -> None:
    """Refuse a file of a store on a disk that is not there, or not as long as it should be.

    Raises:
        DataError: what is wrong with it.
    """
    found = path.stat().st_size if path.is_file() else -1
    if found != file.size:
        what = "does not exist" if found < 0 else f"has {found:,} bytes where the index says {file.size:,}"
        fix = "copy the store again as a whole, or prepare again, which makes what is missing"
        raise DataError(Problem(str(path), what, fix=fix))
