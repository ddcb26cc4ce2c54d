"""Where what was computed is kept: the folder that the user names, and another one where that cannot be written."""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from gandlf_synth.data.formats.fact_store import FactStore

_log = logging.getLogger(__name__)
_PRIVATE = 0o700


def default_cache() -> Path:
    """Return the folder for prepared data: GANDLF_SYNTH_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("GANDLF_SYNTH_CACHE")
    return Path(chosen) if chosen else user_cache_path("gandlf-synth")


def cache_folders(folder: Path) -> list[Path]:
    """Return where to look for what is kept in the cache ``folder``: there, and in what takes its place for writing."""
    return list(dict.fromkeys([folder, writable_cache(folder)]))


@cache
def writable_cache(folder: Path) -> Path:
    """Return ``folder``, or where it cannot be written the user's own cache, else a folder for temporary files."""
    from platformdirs import user_cache_path

    if reason := _reason_against(folder):
        own = user_cache_path("gandlf-synth")
        other = own if not _reason_against(own) else _temporary_folder()
        _log.warning("the cache %s can only be read (%s); what it lacks is kept in %s", folder, reason, other)
        return other
    return folder


def known_in(folder: Path, name: str, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield key and text of what the files ``name`` of a cache say about ``keys``; the first that knows is believed."""
    wanted = dict.fromkeys(keys)
    for place in cache_folders(folder):
        known = FactStore(place / name).read(wanted)
        yield from known.items()
        wanted = dict.fromkeys(key for key in wanted if key not in known)


def _reason_against(folder: Path) -> str:
    """Return why nothing can be written in ``folder``, which is made if need be; nothing where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _temporary_folder() -> Path:
    """Return a folder of this user alone: what lies in it is believed."""
    folder = Path(tempfile.gettempdir()) / f"gandlf-synth-{os.getuid()}"
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="gandlf-synth-"))
    return folder
