"""Paths, and writing files so that no reader ever sees half of one."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from gandlf_synth.errors import Problem, ResourceError


class TakesPaths:
    """A dataclass whose fields of type ``Path`` take texts too, as they are written in a notebook."""

    def __post_init__(self) -> None:
        """Turn texts into paths."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, str) and Path in (get_args(field.type) or (field.type,)):
                object.__setattr__(self, field.name, Path(value))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{uuid4().hex[:8]}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        fix = "free some space or choose another folder; what was there before is untouched"
        raise ResourceError(Problem(str(path), f"cannot be written: {error.strerror or error}", fix=fix)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` to ``path`` atomically, as indented JSON with sorted keys."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Return ``rows``, of which the first is the header, as the text of a CSV.

    >>> csv_text([["SubjectID", "Channel_0"], ["a", "scans/a, left.png"]]).splitlines()
    ['SubjectID,Channel_0', 'a,"scans/a, left.png"']
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write ``rows``, of which the first is the header, to ``path`` atomically."""
    write_text(path, csv_text(rows))
