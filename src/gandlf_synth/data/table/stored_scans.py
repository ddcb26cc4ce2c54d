"""What a store knows of its images in the place of scans of files, for the checks of rows before training."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gandlf_synth.data.formats.scan import FileScan
from gandlf_synth.data.formats.shards.index import Store
from gandlf_synth.data.table.stored_manifest import MARK, MASK, REGION

_HOLE = (0, 1)


class StoredScans(Mapping[Path, FileScan]):
    """Looks the cells of ``StoredRows`` up in the index of their store.

    Args:
        stores: by the text of their cells before the mark.
    """

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores

    def __getitem__(self, path: Path) -> FileScan:
        """Return what is known of a cell: the labels of a mask, and the grid."""
        cell, _, part = str(path).rpartition(MARK)
        store = self._stores[cell]
        place, _, kind = part.partition(".")
        row = store.rows[int(place)]
        labels: tuple[int, ...] = ()
        if kind == MASK and row["mask_labels"] >= 0:
            labels = tuple(store.description.mask_labels[int(row["mask_labels"])])
        elif kind == REGION:
            labels = _HOLE
        return FileScan(
            shape=tuple(row["shape"].tolist()), affine=tuple(map(tuple, row["affine"].tolist())),
            physical=bool(row["physical"]), dtype=store.description.number_type, labels=labels,
            smallest=float(min(labels, default=0)), largest=float(max(labels, default=1)), content=row["key"].decode(),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Path]:
        """Yield nothing: cells are looked up, never listed."""
        return iter(())

    def __len__(self) -> int:
        """Return the number of rows of all stores."""
        return sum(len(store) for store in self._stores.values())
