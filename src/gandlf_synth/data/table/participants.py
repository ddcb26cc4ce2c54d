"""Further columns for a CSV of images, such as age and sex, from a table of the people in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gandlf_synth.data.table.csv_rows import read_records
from gandlf_synth.errors import DataError, Problem, counted, listing

_NAMES = ("participant_id", "subjectid", "subject_id", "patientid", "patient_id", "subject", "id")
_PREFIX = "sub-"
_SHOWN = 5


@dataclass(frozen=True)
class Participants:
    """What a table says of people.

    Args:
        path: the table.
        columns: its columns but the one of names.
        cells: of every person, by name without ``sub-``.
    """

    path: Path
    columns: tuple[str, ...]
    cells: Mapping[str, Sequence[str]]

    def of(self, subject: str) -> Sequence[str]:
        """Return the cells of a subject, empty ones where the table does not have it."""
        return self.cells.get(_key(subject), [""] * len(self.columns))

    def missing(self, subjects: Sequence[str]) -> list[str]:
        """Return the subjects that the table does not have.

        Raises:
            DataError: it has none of them.
        """
        missing = [subject for subject in dict.fromkeys(subjects) if _key(subject) not in self.cells]
        if subjects and len(missing) == len(set(subjects)):
            own = listing(self.cells, _SHOWN)
            what = f"has none of the {counted(len(missing), 'subject')} ({listing(missing, _SHOWN)}); it has {own}"
            raise DataError(Problem(str(self.path), what, "the names that the images' folders or files have"))
        return missing


def read_participants(path: Path) -> Participants:
    """Return a table of people: ``participants.tsv`` of BIDS, or any CSV with a column of subjects.

    BIDS writes ``n/a`` for what is not known: the cell becomes empty.

    Raises:
        DataError: the table cannot be read, has no column of subjects, or has a subject twice.
    """
    header, records = read_records(path)
    place = next((header.index(name) for name in header if name.strip().lower() in _NAMES), None)
    if place is None:
        raise DataError(Problem(f"{path} header", f"has no column of subjects: {listing(header)}", listing(_NAMES)))
    cells: dict[str, Sequence[str]] = {}
    problems = []
    for line, row in records:
        padded = [*row, *[""] * (len(header) - len(row))]
        name = _key(padded[place])
        if name in cells:
            problems.append(Problem(f"{path} line {line}", f"has {padded[place]!r} again", "each subject once"))
        cells[name] = ["" if cell == "n/a" else cell for number, cell in enumerate(padded) if number != place]
    if problems:
        raise DataError(*problems)
    return Participants(path, tuple(name for name in header if name != header[place]), cells)


def _key(subject: str) -> str:
    return subject.removeprefix(_PREFIX)
