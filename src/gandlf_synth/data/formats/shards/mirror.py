"""Files behind URLs as files on this machine: whole stores, and the images that cells of a CSV name."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from gandlf_synth.data.formats.cache_folder import default_cache, writable_cache
from gandlf_synth.data.formats.shards.index import DESCRIPTION, open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import Location, as_url, folder_error
from gandlf_synth.errors import GandlfSynthError
from gandlf_synth.files import write_bytes, write_text

_AT_ONCE = 16
"""Files that are asked for at a time: most of the wait is the network's."""
_STATE, _FOLDER = ".state", ".zarr"


def store_on_disk(place: Path) -> Path:
    """Return the folder of a store; one behind a URL is copied as a whole, once.

    Raises:
        DataError: it is damaged.
        ResourceError: its server fails, or the disk is full.
    """
    location = store_location(place)
    if location.folder is not None:
        return location.folder
    local = writable_cache(default_cache()) / "stores"
    store = open_store(location, local)
    shards = LocalShards(store, local, None)
    shards.fetch_ahead(range(len(store.description.shards)))
    for shard in range(len(store.description.shards)):
        shards.path(shard)
    write_bytes(store.folder / DESCRIPTION, location.read(DESCRIPTION))
    return store.folder


def mirrored_path(url: str) -> Path:
    """Return where the file behind a URL lies on this machine once it was fetched; the part after ``#`` stays."""
    address, _, part = url.partition("#")
    number = hashlib.sha256(address.encode()).hexdigest()[:16]
    name = PurePosixPath(address.partition("?")[0]).name
    return writable_cache(default_cache()) / "remote" / number / (f"{name}#{part}" if part else name)


def fetch_files(urls: Iterable[str]) -> dict[str, GandlfSynthError]:
    """Fetch the files behind ``urls`` that are not here or have changed; return what went wrong, by URL."""
    addresses = {url: url.partition("#")[0] for url in urls}
    unique = list(dict.fromkeys(addresses.values()))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = dict(zip(unique, pool.map(_fetched, unique), strict=True))
    return {url: error for url, address in addresses.items() if (error := outcomes[address]) is not None}


def _fetched(address: str) -> GandlfSynthError | None:
    folder, _, name = (as_url(address) or address).rpartition("/")
    if any(part.lower().endswith(_FOLDER) for part in PurePosixPath(address.partition("?")[0]).parts):
        return folder_error(address)
    target, location = mirrored_path(address), Location(folder)
    known = target.parent / f"{target.name}{_STATE}"
    try:
        state = location.state(name)
        if not (target.is_file() and known.is_file() and known.read_text(encoding="utf-8") == state):
            write_bytes(target, location.read(name))
            write_text(known, state)
    except GandlfSynthError as error:
        return error
    return None
