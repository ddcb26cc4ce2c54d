"""Keeps the cache of prepared data within a size; what a live run uses is never removed."""

import logging
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from gandlf_synth.data.formats.fact_store import FactStore
from gandlf_synth.data.formats.scan import SCANS

_log = logging.getLogger(__name__)
_held: dict[Path, FileLock] = {}


def lease(folder: Path) -> None:
    """Say that this process uses ``folder`` of the cache until it ends, and that this was its last use.

    The lease is a file lock, which the system lets go when the process dies, however it dies. Processes that were
    forked from this one hold it too.
    """
    with _gate(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "used").touch()
        if folder not in _held:
            lock = FileLock(folder / f"{uuid4().hex[:12]}.lease")
            lock.acquire()
            _held[folder] = lock


def shrink(cache: Path, limit: int) -> None:
    """Remove the folders of prepared data that were used longest ago until ``cache`` takes at most ``limit`` bytes.

    Folders with a live lease stay, even where they alone take more. What is known of files goes last.
    """
    scans = cache / SCANS
    with _gate(cache):
        folders = sorted(cache.glob("prepared-*"), key=_last_use)
        sizes = {folder: _size(folder) for folder in folders}
        total = sum(sizes.values()) + _file_size(scans)
        for folder in folders:
            if total <= limit:
                return
            if not _in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)
                total -= sizes[folder]
                _log.warning("%s is removed from the cache, which is limited to %d bytes", folder, limit)
        if total > limit and scans.is_file():
            before = _file_size(scans)
            FactStore(scans).clear()
            total -= before - _file_size(scans)
    if total > limit:
        _log.warning("the cache %s takes %d bytes, all of it in use; its limit is %d", cache, total, limit)


def _gate(cache: Path) -> FileLock:
    """Return the lock under which leases are taken and folders removed, so that neither comes between the other."""
    cache.mkdir(parents=True, exist_ok=True)
    return FileLock(cache / "cache.lock")


def _in_use(folder: Path) -> bool:
    if folder in _held:
        return True
    for path in folder.glob("*.lease"):
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
    return False


def _last_use(folder: Path) -> float:
    with suppress(OSError):
        return (folder / "used").stat().st_mtime
    return 0.0


def _size(folder: Path) -> int:
    return sum(_file_size(path) for path in folder.iterdir())


def _file_size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
