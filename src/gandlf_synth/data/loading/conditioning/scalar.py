"""The conditioner ``scalar``: a measured number, such as an age."""

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioning.column_text import ColumnConditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem

_FREQUENCIES = 3


class Scalar(ColumnConditioner):
    """A number in a column; an empty cell means that it is not known.

    The network gets its place between the smallest and the largest training value, and sines and cosines of it that
    tell near values apart (Tancik et al. 2020, arXiv 2006.10739).

    Example:
        >>> age = Scalar(column="age")
        >>> row = Sample(1, "a", (), extra={"age": "50"})
        >>> [round(number, 2) for number in age.encode(row, {"low": 40.0, "high": 60.0})]
        [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    """

    unit: str = ""
    """Of the numbers, such as ``years``; for messages."""

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return that a cell is not a number."""
        text = self.text(sample)
        if not text or _is_number(text):
            return ""
        return f"is {text!r}; allowed: a number with a decimal point, or nothing where it is not known"

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Return how many numbers the network gets, and the range of the training rows.

        Raises:
            DataError: the column is missing, holds something else than numbers, or one value only.
        """
        values = [float(self.text(sample)) for sample in self.known_rows(train)]
        low, high = min(values), max(values)
        if low == high:
            what = f"has the value {low:g} in all training rows, and there is nothing to learn from it"
            raise DataError(Problem(f"{train.path} column {self.column}", what, "different numbers"))
        return 1 + 2 * _FREQUENCIES, {"low": low, "high": high}

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> list[float] | None:
        """Return the place of a row's number in the training range, from -1 to 1, and its Fourier features."""
        text = self.text(sample)
        if not text:
            return None
        low, high = _range(facts)
        place = 2 * (float(text) - low) / (high - low) - 1
        angles = [2**power * math.pi * place / 2 for power in range(1, _FREQUENCIES + 1)]
        return [place, *(wave(angle) for angle in angles for wave in (math.sin, math.cos))]

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return a number, with the range of the training rows."""
        low, high = _range(facts)
        return [CellInput(column=self.column, kind="number", low=low, high=high, unit=self.unit)]

    def warn(self, sample: Sample, facts: Mapping[str, JsonValue]) -> str:
        """Return that a number lies outside of the training range."""
        text, (low, high) = self.text(sample), _range(facts)
        if not text or low <= float(text) <= high:
            return ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{float(text):g}{unit} lies outside of the training rows, {low:g} to {high:g}{unit}: do not trust it"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _range(facts: Mapping[str, JsonValue]) -> tuple[float, float]:
    return float(str(facts["low"])), float(str(facts["high"]))
