"""The conditioner ``embedding``: a vector that another program has computed, such as that of a report."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioning.column_text import ColumnConditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, listing


class Embedding(ColumnConditioner):
    """A vector in the ``.npy`` file that a column names; an empty cell means that it is not known.

    It is added to the embedding of the noise level, as other numbers are.

    Example:
        >>> Embedding(column="report_vector").part_name
        'report_vector'
    """

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return why a file cannot be used."""
        path = self._path(sample)
        if path is None:
            return ""
        try:
            vector = _read(path)
        except (OSError, ValueError) as error:
            return f"({path}) cannot be read: {error}; allowed: a .npy file that holds a vector of numbers"
        size = len(vector) if facts is None else int(str(facts["size"]))
        if len(vector) != size:
            return f"({path}) has {len(vector)} numbers, and those of the training rows have {size}"
        return ""

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Return the length of the vectors, and what brings their numbers to a usual size.

        Raises:
            DataError: the column is missing, a file cannot be used, or vectors differ in length.
        """
        paths = [sample.folder / self.text(sample) for sample in self.known_rows(train)]
        sizes = {len(_read(path)) for path in paths}
        if len(sizes) > 1:
            what = f"names vectors of different lengths: {listing(map(str, sorted(sizes)))}"
            raise DataError(Problem(f"{train.path} column {self.column}", what, "one length"))
        squares = [float(np.mean(_read(path) ** 2)) for path in paths]
        (size,) = sizes
        return size, {"size": size, "scale": 1 / max(float(np.sqrt(np.mean(squares))), 1e-12)}

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> list[float] | None:
        """Return the numbers of a row's vector, of a mean square of 1 over the training rows."""
        path = self._path(sample)
        if path is None:
            return None
        values: list[float] = (_read(path) * float(str(facts["scale"]))).tolist()
        return values

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return a file with a vector."""
        return [CellInput(column=self.column, kind="file", about=f"a .npy file with {facts['size']} numbers")]

    def recorded(self, sample: Sample) -> str:
        """Return a digest of the vector."""
        path = self._path(sample)
        return "" if path is None else hashlib.blake2b(_read(path).tobytes(), digest_size=8).hexdigest()

    def _path(self, sample: Sample) -> Path | None:
        text = self.text(sample)
        return sample.folder / text if text else None


def _read(path: Path) -> NDArray[np.float64]:
    """Return the vector in a file.

    Raises:
        OSError: there is no such file.
        ValueError: it holds something else.
    """
    array = np.load(path, allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or not array.size:
        raise ValueError("it holds no numbers")
    vector = array.astype(np.float64).squeeze()
    if vector.ndim > 1:
        raise ValueError(f"it holds an array of {'×'.join(map(str, array.shape))}")
    if not np.isfinite(vector).all():
        raise ValueError("it holds numbers that are not finite")
    return vector.reshape(-1)
