"""The rows of a store as a table: made from its index when they are asked for, so that a million take no memory."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.shards.index import DESCRIPTION, Store, open_store, store_location
from gandlf_synth.data.formats.shards.location import as_place
from gandlf_synth.data.formats.shards.mirror import store_on_disk
from gandlf_synth.data.table.manifest import LabelMap, Manifest, Presence, Sample
from gandlf_synth.provenance import digest

Places = NDArray[np.int64]
MARK, MASK, REGION = "#", "mask", "region"
"""A cell is ``STORE/images.store#17``; ``.mask`` or ``.region`` behind it is one of its label maps, ``.1`` a column."""


class StoredRows(Sequence[Sample]):
    """Rows of a store as samples, each made when it is asked for.

    Args:
        store: the store.
        places: which of its rows, in order.
    """

    def __init__(self, store: Store, places: Places) -> None:
        self.store, self.places = store, places

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> "StoredRows": ...

    def __getitem__(self, place: int | slice) -> "Sample | StoredRows":
        """Return the sample at ``place``, or those of a slice."""
        if isinstance(place, slice):
            return StoredRows(self.store, self.places[place])
        return self._sample(int(self.places[place]))

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples."""
        return map(self._sample, self.places.tolist())

    def _sample(self, place: int) -> Sample:
        store = self.store
        row, about = store.rows[place], store.description.preparation
        subject, name, extra = store.text(place)
        cell, given = f"{store_cell(store)}{MARK}{place}", np.isfinite(row["scale_values"])
        first = sum(about.column_channels)
        starts = np.cumsum([first, *about.source_channels])[:-1].tolist()
        return Sample(
            row=int(row["row"]),
            subject=subject,
            channels=(Path(cell),) * len(about.column_channels) if given[:first].all() else (),
            label=int(row["label"]) if row["is_labelled"] else None,
            label_name=name,
            mask=Path(f"{cell}.{MASK}") if row["mask"] >= 0 else None,
            extra=extra,
            sources=tuple(Path(cell) if given[start] else None for start in starts),
            region=Path(f"{cell}.{REGION}") if row["region"] >= 0 else None,
            folder=store.location.folder or Path(),
        )


def store_cell(store: Store) -> str:
    """Return what all cells of a store begin with."""
    return store.location.at(DESCRIPTION)


@dataclass(frozen=True)
class StoredManifest(Manifest):
    """The rows of a prepared store, or of a split of it."""

    samples: StoredRows

    @classmethod
    def of(cls, store: Store, places: Places | None = None) -> "StoredManifest":
        """Return the table of a store, or of the rows at ``places``."""
        about = store.description
        rows = StoredRows(store, np.arange(len(store)) if places is None else places)
        return cls(
            as_place(str(store.location)), rows, about.subject_rule, about.names_identify, tuple(about.extra_columns),
            tuple(about.notes),
        )  # fmt: skip

    @property
    def store(self) -> Store:
        """The store."""
        return self.samples.store

    @property
    def presence(self) -> Presence:
        """Which rows hold what, from the index alone: a sample for each of a million rows takes half a minute."""
        about, rows, places = self.store.description.preparation, self.store.rows, self.samples.places
        given = np.isfinite(rows["scale_values"][places])
        first = sum(about.column_channels)
        return Presence(
            targets=given[:, :first].all(axis=1),
            sources=given[:, first : first + sum(about.source_channels)].any(axis=1),
            masks=rows["mask"][places] >= 0,
            regions=rows["region"][places] >= 0,
        )

    def alike(self, label_map: LabelMap) -> Iterator[StoredRows]:
        """Yield the rows whose maps hold the same labels, which the index knows of masks; regions are all holes."""
        rows, places = self.store.rows, self.samples.places
        held = rows[label_map][places] >= 0
        kinds = rows["mask_labels"][places] if label_map == "mask" else np.zeros(len(places))
        for kind in np.unique(kinds[held]):
            yield StoredRows(self.store, places[held & (kinds == kind)])

    def at(self, places: Places) -> "StoredManifest":
        """Return the rows at ``places``, in their order."""
        return StoredManifest.of(self.store, self.samples.places[places])

    @property
    def label_counts(self) -> Counter[int]:
        """The number of rows of every label."""
        rows, places = self.store.rows, self.samples.places
        labels, counts = np.unique(rows["label"][places][rows["is_labelled"][places] != 0], return_counts=True)
        return Counter(dict(zip(labels.tolist(), counts.tolist(), strict=True)))

    @property
    def num_columns(self) -> int:
        """The number of channel columns."""
        return len(self.store.description.preparation.column_channels)

    @property
    def num_sources(self) -> int:
        """The number of source columns."""
        return len(self.store.description.preparation.source_channels)

    @property
    def labels(self) -> dict[int, str]:
        """The class name of every label that occurs, sorted by label."""
        table, places = self.store.rows, self.samples.places
        present = np.unique(table["label"][places][table["is_labelled"][places]]).tolist()
        return {label: self.store.description.labels[label] for label in present}

    @property
    def content(self) -> str:
        """A digest of the images and of what is said of them, in order."""
        return digest([self.store.description.content, zlib.crc32(self.samples.places.tobytes())])

    @property
    def mask_labels(self) -> tuple[int, ...]:
        """The labels that occur in the masks, 0 among them; empty without masks."""
        sets = np.unique(self.store.rows["mask_labels"][self.samples.places]).tolist()
        known = self.store.description.mask_labels
        return (
            tuple(sorted({0, *(label for number in sets if number >= 0 for label in known[number])}))
            if max(sets) >= 0
            else ()
        )

    def subset(self, samples: Iterable[Sample]) -> "StoredManifest":
        """Return a table of the same store with only ``samples``."""
        if isinstance(samples, StoredRows):
            return StoredManifest.of(self.store, samples.places)
        numbers = np.fromiter((sample.row for sample in samples), np.int64)
        return StoredManifest.of(self.store, np.searchsorted(self.store.rows["row"], numbers))


def rows_of_store(place: Path) -> Manifest:
    """Return the rows of a store as those of a CSV whose images are its parts, in the units of their files.

    Args:
        place: folder or URL; what lies behind a URL is copied to this machine as a whole.

    Raises:
        DataError: the store is damaged.
        ResourceError: its server fails.
    """
    folder = store_on_disk(place)
    store = open_store(store_location(folder), folder)
    about = store.description
    samples = tuple(
        replace(sample, channels=_columns(sample.channels), sources=(), mask=None, region=None)
        for sample in StoredRows(store, np.arange(len(store)))
        if sample.channels
    )
    extra, notes = tuple(about.extra_columns), tuple(about.notes)
    return Manifest(as_place(place), samples, about.subject_rule, about.names_identify, extra, notes)


def _columns(cells: Sequence[Path]) -> tuple[Path, ...]:
    """Return a cell for each column of an image, of which ``cells`` names all channels for every one."""
    return tuple(cells) if len(cells) == 1 else tuple(Path(f"{cell}.{column}") for column, cell in enumerate(cells))
