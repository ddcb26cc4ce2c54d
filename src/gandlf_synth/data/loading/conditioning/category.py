"""The conditioner ``category``: one of a few words, such as a sex or a scanner."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioning.column_text import ColumnConditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, did_you_mean, listing

_MOST = 256


class Category(ColumnConditioner):
    """A word in a column, one number for each word of the training rows; an empty cell means that it is not known.

    Example:
        >>> sex = Category(column="sex")
        >>> sex.encode(Sample(1, "a", (), extra={"sex": "F"}), {"words": ["F", "M"]})
        [1.0, 0.0]
    """

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return that no training row has the word of a row."""
        text = self.text(sample)
        words = [] if facts is None else _words(facts)
        if not text or not words or text in words:
            return ""
        hint = did_you_mean(text, words)
        what = f"is {text!r}, which no training row has; allowed: {listing(words)}, or nothing"
        return f"{what}; {hint}" if hint else what

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Return the number of words, and the words in the order of the alphabet.

        Raises:
            DataError: the column is missing, or has one word only or too many.
        """
        words = sorted({self.text(sample) for sample in self.known_rows(train)})
        where = f"{train.path} column {self.column}"
        if len(words) == 1:
            what = f"has the word {words[0]!r} in all training rows, and there is nothing to learn from it"
            raise DataError(Problem(where, what, "different words"))
        if len(words) > _MOST:
            fix = f"write scalar: {{column: {self.column}}} where they are numbers"
            raise DataError(Problem(where, f"has {len(words)} different words", f"at most {_MOST}", fix))
        return len(words), {"words": list[JsonValue](words)}

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> list[float] | None:
        """Return 1 in the place of the row's word, and 0 elsewhere."""
        text, words = self.text(sample), _words(facts)
        return [float(word == text) for word in words] if text in words else None

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return a choice among the words of the training rows."""
        return [CellInput(column=self.column, kind="choice", choices=tuple(_words(facts)))]


def _words(facts: Mapping[str, JsonValue]) -> list[str]:
    words = facts["words"]
    return [str(word) for word in words] if isinstance(words, list) else []
