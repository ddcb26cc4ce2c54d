"""The shards of a store as files on this machine: fetched whole and ahead of their use, checked, kept within a size."""

import os
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

from filelock import FileLock

from gandlf_synth.data.formats.shards.index import Store, StoredFile, check_size, store_name
from gandlf_synth.errors import ConfigError, Problem

_AT_ONCE = 4
"""Shards that are fetched at a time."""
_OPEN = 64
"""Files that a process keeps open."""


class _OpenFile:
    """A file that stays open as long as anybody reads it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):  # it is not, where the file could not be opened
            os.close(self.descriptor)


class LocalShards:
    """The shards of a store.

    A store in a folder is read in its place, unless ``local`` says otherwise. Processes of one machine share what they
    fetch. What is removed to make room stays readable to those that have it open.

    Args:
        store: the store.
        local: where copies go; None: read in place.
        limit: bytes that all copies may take; None: no limit.

    Raises:
        ConfigError: the limit is too small for two shards.
    """

    def __init__(self, store: Store, local: Path | None, limit: int | None) -> None:
        self._location, self._files, self._limit = store.location, store.description.shards, limit
        self.folder = None if local is None else local / store_name(store.location, store.description)
        largest = max((file.size for file in self._files), default=0)
        if self.folder is not None and limit is not None and limit < min(2, len(self._files)) * largest:
            what = f"is {limit:,} bytes, and a shard of {store.location} takes up to {largest:,}"
            raise ConfigError(Problem("cache_size", what, "room for two shards or more"))
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._open: OrderedDict[int, _OpenFile] = OrderedDict()
        self._coming: dict[int, Future[Path]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> dict[str, object]:
        """Leave out what only this process has."""
        own = {"_process", "_lock", "_open", "_coming", "_pool"}
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Have nothing open yet."""
        self.__dict__.update(state)
        self._forget()

    @property
    def is_fetched(self) -> bool:
        """Whether shards are copied, so that their order matters."""
        return self.folder is not None

    def fetch_ahead(self, shards: Iterable[int]) -> None:
        """Begin to fetch ``shards``, in this order, while others are read."""
        if self.folder is None:
            return
        self._check_process()
        for shard in shards:
            if shard not in self._coming and not self._target(shard).is_file():
                self._pool = self._pool or ThreadPoolExecutor(_AT_ONCE, "shards")
                self._coming[shard] = self._pool.submit(self._fetch, shard)

    def read(self, shard: int, size: int, offset: int) -> bytes:
        """Return ``size`` bytes of a shard, which is fetched first where it is not here; threads may read together.

        Raises:
            DataError: it is missing or damaged.
            ResourceError: it cannot be fetched.
        """
        self._check_process()
        file = self._file(shard)
        return os.pread(file.descriptor, size, offset)

    def _file(self, shard: int) -> "_OpenFile":
        with self._lock:
            if shard in self._open:
                self._open.move_to_end(shard)
                return self._open[shard]
        file = self._opened(shard)
        with self._lock:
            file = self._open.setdefault(shard, file)
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return file

    def path(self, shard: int) -> Path:
        """Return the file of a shard, which is fetched first where it is not here."""
        if self.folder is None:
            path = self._target(shard)
            check_size(path, self._files[shard])
            return path
        self._check_process()
        future = self._coming.pop(shard, None)
        return self._fetch(shard) if future is None else future.result()

    def drop(self, shard: int) -> bool:
        """Remove the copy of a shard that turned out to be damaged; False where it is no copy."""
        if self.folder is None:
            return False
        with self._lock:
            self._open.pop(shard, None)
        self._target(shard).unlink(missing_ok=True)
        return True

    def _opened(self, shard: int) -> "_OpenFile":
        while True:
            with suppress(FileNotFoundError):  # another process may have removed it to make room
                path = self.path(shard)
                file = _OpenFile(path)
                if self.folder is not None:
                    os.utime(path)
                return file

    def _check_process(self) -> None:
        """Threads and what they fetch do not come along into a forked process."""
        if self._process != os.getpid():
            self._forget()

    def _target(self, shard: int) -> Path:
        folder = self.folder or self._location.folder or Path()
        return folder / self._files[shard].name

    def _fetch(self, shard: int) -> Path:
        target, file = self._target(shard), self._files[shard]
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_file():
                self._make_room(file)
                self._location.download(file.name, target, file.size, file.checksum)
        return target

    def _make_room(self, file: StoredFile) -> None:
        """Remove the copies that were used longest ago until ``file`` fits."""
        if self._limit is None or self.folder is None:
            return
        with FileLock(self.folder / "room.lock"):
            copies = sorted(
                (path.stat().st_mtime, path) for path in self.folder.rglob("*.bin") if path.parent != self.folder
            )
            total = file.size + sum(path.stat().st_size for _, path in copies)
            for _, path in copies:
                if total <= self._limit:
                    return
                total -= path.stat().st_size
                path.unlink(missing_ok=True)
