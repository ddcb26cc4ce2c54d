"""Writing files so that no reader ever sees half of one."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gandlf_synth.errors import Problem, ResourceError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error.

    Raises:
        ResourceError: the disk is full or the folder cannot be written.
    """
    handle, name = -1, ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.name)
        os.close(handle)
        os.chmod(name, 0o644)
        yield Path(name)
        os.replace(name, path)
    except OSError as error:
        fix = "free some space or choose another folder; what was there before is untouched"
        raise ResourceError(Problem(str(path), f"cannot be written: {error.strerror or error}", fix=fix)) from error
    finally:
        if name and os.path.exists(name):
            os.unlink(name)


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
