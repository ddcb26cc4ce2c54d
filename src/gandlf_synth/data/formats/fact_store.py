"""What was found out about files, kept as texts by key in one SQLite file that several processes share.

A text has a checksum, so that a damaged one counts as unknown. Nothing here stops a run: what cannot be kept is found
out again.
"""

import logging
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

_log = logging.getLogger(__name__)
_TABLE = (
    "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, text TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
)
_KEYS_AT_ONCE = 500
_PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""


class FactStore:
    """Texts by key.

    Args:
        path: the file, made when the first text is kept.

    Example:
        >>> import tempfile
        >>> store = FactStore(Path(tempfile.mkdtemp()) / "facts.sqlite")
        >>> store.keep({"a.png": "24×18"})
        >>> store.read(["a.png", "b.png"])
        {'a.png': '24×18'}
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the texts of those ``keys`` that are known."""
        if not self._path.is_file():
            return {}
        known: dict[str, str] = {}
        waiting = iter(keys)
        try:
            with self._opened(writing=False) as database:
                while some := list(islice(waiting, _KEYS_AT_ONCE)):
                    marks = ",".join("?" * len(some))
                    rows = database.execute(f"SELECT key, text, crc FROM facts WHERE key IN ({marks})", some)  # noqa: S608
                    known |= {key: text for key, text, crc in rows if crc == _checksum(key, text)}
        except sqlite3.Error as error:
            _log.warning("%s cannot be read, so the images are examined again: %s", self._path, error)
        return known

    def keep(self, texts: Mapping[str, str]) -> None:
        """Keep ``texts``, in place of what was known under their keys."""
        rows = [(key, text, _checksum(key, text)) for key, text in texts.items()]
        try:
            self._write(rows)
        except sqlite3.OperationalError as error:
            _log.warning("%s cannot be written, so the next run examines the images again: %s", self._path, error)
        except sqlite3.DatabaseError as error:
            _log.warning("%s is damaged and is replaced by an empty one: %s", self._path, error)
            self._path.unlink(missing_ok=True)
            self._write(rows)

    def clear(self) -> None:
        """Forget everything, and give the space back."""
        try:
            with self._opened(writing=True) as database:
                database.execute("DELETE FROM facts")
                database.commit()
                database.execute("VACUUM")
        except sqlite3.Error as error:
            _log.warning("%s cannot be emptied: %s", self._path, error)

    def _write(self, rows: list[tuple[str, str, int]]) -> None:
        with self._opened(writing=True) as database, database:
            database.execute(_TABLE)
            database.executemany("REPLACE INTO facts VALUES (?, ?, ?)", rows)

    @contextmanager
    def _opened(self, *, writing: bool) -> Iterator[sqlite3.Connection]:
        """Open the file for one use: a connection must not live on in a forked process."""
        mode = "rwc" if writing else "ro"
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, timeout=_PATIENCE, uri=True)) as database:
            yield database


def _checksum(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\0{text}".encode())
