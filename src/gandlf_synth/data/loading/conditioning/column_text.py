"""What conditioners share that read the text of a column."""

from collections.abc import Sequence

from gandlf_synth.data.loading.conditioners import Conditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, did_you_mean, listing, raise_if_any


class ColumnConditioner(Conditioner):
    """A conditioner that reads one further column of the CSV; an empty cell means that it is not known."""

    kind = "vector"
    positional = "column"

    column: str
    """The column of the CSV."""

    def text(self, sample: Sample) -> str:
        """Return the cell of a row."""
        return sample.extra.get(self.column, "").strip()

    def known_rows(self, train: Manifest) -> Sequence[Sample]:
        """Return the rows that have something in the column, which can be used.

        Raises:
            DataError: the column is missing, empty, or cannot be used in some rows.
        """
        if self.column not in train.extra_columns:
            what = f"has no column {self.column!r} that is free for conditions"
            fix = did_you_mean(self.column, train.extra_columns)
            raise DataError(Problem(f"{train.path} header", what, listing(train.extra_columns) or "none", fix))
        known = [sample for sample in train.samples if self.text(sample)]
        if not known:
            what = "is empty in all training rows, and there is nothing to learn from it"
            raise DataError(Problem(f"{train.path} column {self.column}", what))
        wrong = {sample.row: what for sample in known if (what := self.check(sample, {}))}
        problems = [Problem(f"{train.path} row {row}, column {self.column}", what) for row, what in wrong.items()]
        raise_if_any(problems, DataError)
        return known
