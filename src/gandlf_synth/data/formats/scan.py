"""Reads every image once: finds what is wrong with it, and measures what the automatic choices need.

What was read is kept in the cache as it goes, for as long as the system says that the file is the same, and the code
that reads it is. What could not be read is never kept: that may be a matter of rights, memory or a network.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.cache_folder import known_in, writable_cache
from gandlf_synth.data.formats.code_version import reader_version
from gandlf_synth.data.formats.fact_store import FactStore
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError, read_image, reader_and_files, source_files
from gandlf_synth.errors import Problem
from gandlf_synth.geometry import Geometry
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress

T = TypeVar("T")
SCANS = "scans.sqlite"
"""The file of the cache that holds what is known of images, by path."""
_PART = 1024
_LOOKS_AT_ONCE = 16
"""Files whose state is asked for at a time: most of the wait is the network's."""
_KEPT_EVERY = 1.0
_FINE_STEP, _COARSE_STEP = 0.02, 2.0
"""Seconds between two ticks of a file system's clock: some ms on most, up to 2 s where it has no fractions."""
_PERCENTILES = (0.5, 99.5)
_RGB = 3
_LARGEST_LABEL, _MOST_LABELS = 2**16 - 1, 256
_SAME = 0.5
"""Values nearer than this are one constant, which interpolation has touched."""
HOUNSFIELD_EDGES = (-1100.0, -850.0, -200.0, 150.0, 3100.0)
"""HU between which CT shows nothing, air, lung and partial volumes, fat and soft tissue, bone and contrast, metal."""
_COLOUR_SPREAD = 1 / 16
"""Difference between channels, as a share of the type's range, from which a pixel is coloured; JPEG noise is below."""


@dataclass(frozen=True, slots=True)
class FileScan:
    """What one image file holds, or why it cannot be used."""

    shape: tuple[int, ...] = ()
    affine: tuple[tuple[float, ...], ...] = ()
    physical: bool = True
    dtype: str = ""
    channels: int = 0
    colour_fraction: float = 0.0
    """For images of three channels, the share of voxels that are not grey; 1 where the channels are no color."""
    low: tuple[float, ...] = ()
    """Per channel, the 0.5th percentile."""
    high: tuple[float, ...] = ()
    """Per channel, the 99.5th percentile."""
    smallest: float = 0.0
    """The smallest value of all channels."""
    largest: float = 0.0
    """The largest value of all channels."""
    smallest_share: float = 0.0
    """The share of voxels that have the smallest value, as a background constant does."""
    whole_numbers: bool = True
    """Whether all values are whole numbers, whatever their type."""
    hounsfield_shares: tuple[float, ...] = ()
    """The share of voxels below, between and above ``HOUNSFIELD_EDGES``."""
    labels: tuple[int, ...] = ()
    """The values of an image that holds no others than whole numbers from 0 to 65535, and at most 256 of them."""
    modality: str = ""
    """What a DICOM header says: ``CT``, ``MR`` and so on."""
    frame: str = ""
    """A digest of the frame of reference that a DICOM header states."""
    content: str = ""
    """A digest of the voxels' values: the same for the same image under another name or compression."""
    remark: str = ""
    """What a person should know of it, though it can be read."""
    problem: tuple[str, str, str] | None = None
    """What is wrong, what is allowed, what to do."""
    identity: str = ""
    """``identity`` of the file that was read; empty where it changed meanwhile."""

    @property
    def image_key(self) -> str:
        """A digest of everything that a pipeline gets of the file: voxels, grid, number type and modality."""
        image = (self.content, self.shape, self.affine, self.physical, self.dtype, self.channels, self.modality)
        return _short_digest(repr(image))

    @property
    def geometry(self) -> Geometry:
        """The grid of the file."""
        return Geometry.from_json({"shape": self.shape, "affine": self.affine, "physical": self.physical})

    def problem_at(self, where: str) -> Problem | None:
        """Return the problem with the file, placed, or None."""
        return Problem(where, *self.problem) if self.problem else None


_FIELDS = tuple(field.name for field in fields(FileScan))
_ALIKE = tuple(map(_FIELDS.index, ("shape", "affine", "dtype", "modality", "hounsfield_shares")))
"""Places of fields that are equal in many scans."""
Scans = Mapping[Path, FileScan]
"""What is known of every file of a data set."""


def identity(path: Path) -> str:
    """Return a text that changes when what ``path`` names does, a file or all files of a folder, or what reads it.

    It is made of size, times of change and inode of every file, and of the code of the reader. A program can set the
    time of modification back, but not the time of change.

    Raises:
        OSError: a file cannot be looked at.
    """
    reader, files = reader_and_files(path)
    states = []
    for file in files:
        own = os.stat(file)  # noqa: PTH116 (this is asked of every file of a data set)
        states.append(f"{own.st_size}:{own.st_mtime_ns}:{own.st_ctime_ns}:{own.st_ino}")
    code = reader_version(type(reader)) if reader else ""
    names = [file.name for file in files] if len(files) > 1 else []
    return _short_digest("/".join([code, *states, *names]))


def _short_digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def scan_files(paths: Iterable[Path], cache: Path, progress: Progress = no_progress) -> dict[Path, FileScan]:
    """Return the scan of every path, reading only files that were not scanned before.

    Args:
        paths: existing files; repeated ones are read once.
        cache: folder where scans are kept.
        progress: shows how far it is.
    """
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        identities = dict(zip(unique, chain.from_iterable(pool.map(_identities, _parts(unique))), strict=True))
    scans = _known(identities, cache)
    missing = [path for path in unique if path not in scans]
    if missing:
        scans |= _scanned(missing, FactStore(writable_cache(cache) / SCANS), progress)
    return {path: scans[path] for path in unique}


def _identities(paths: Sequence[Path]) -> list[str]:
    return [_identity_if_there(path) for path in paths]


def _identity_if_there(path: Path) -> str:
    try:
        return identity(path)
    except OSError:
        return ""


def _known(identities: Mapping[Path, str], cache: Path) -> dict[Path, FileScan]:
    """Return what the cache says of the files that are still as they were."""
    keys = {_key(path): path for path in identities}
    scans: dict[Path, FileScan] = {}
    shared: dict[object, Any] = {}
    for key, text in known_in(cache, SCANS, keys):
        path, scan = keys[key], scan_from_text(text, shared)
        if scan is not None and scan.identity and scan.identity == identities[path]:
            scans[path] = scan
    return scans


def _scanned(paths: Sequence[Path], store: FactStore, progress: Progress) -> dict[Path, FileScan]:
    """Return the scans of ``paths``; they are kept every second, so that an interruption loses nothing."""
    scans: dict[Path, FileScan] = {}
    unkept: dict[str, str] = {}
    shared: dict[object, Any] = {}
    last = time.monotonic()
    with ThreadPoolExecutor(usable_cores()) as pool:
        results = chain.from_iterable(pool.map(_scan_to_keep, part) for part in _parts(paths))
        try:
            for path, scan in progress(zip(paths, results, strict=True), len(paths), "Checking images"):
                values = [getattr(scan, name) for name in _FIELDS]
                scans[path] = _sharing(values, shared)
                if scan.identity:
                    unkept[_key(path)] = json.dumps(values)
                if time.monotonic() - last > _KEPT_EVERY:
                    store.keep(unkept)
                    unkept, last = {}, time.monotonic()
        finally:
            store.keep(unkept)
    return scans


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield ``items`` in lists, so that a long CSV takes no more memory in flight than a short one."""
    rest = iter(items)
    while part := list(islice(rest, _PART)):
        yield part


def _key(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (a link stays a link: what it leads to has another inode)


def scan_to_text(scan: FileScan) -> str:
    """Return a scan as text, which ``scan_from_text`` reads."""
    return json.dumps([getattr(scan, name) for name in _FIELDS])


def scan_from_text(text: str, shared: dict[object, Any]) -> FileScan | None:
    """Return the scan that ``text`` holds, None where it is of another version.

    Args:
        text: of ``scan_to_text``.
        shared: holds what is equal in many scans; the same for all that are read together.
    """
    values = json.loads(text)
    if len(values) != len(_FIELDS):
        return None
    for place, value in enumerate(values):
        if isinstance(value, list):
            values[place] = tuple(tuple(row) if isinstance(row, list) else row for row in value)
    return _sharing(values, shared)


def _sharing(values: list[Any], shared: dict[object, Any]) -> FileScan:
    """Return the scan of ``values``, with one object for those that are equal in many scans."""
    for place in _ALIKE:
        values[place] = shared.setdefault((place, values[place]), values[place])
    return FileScan(*values)


def scan_file(path: Path) -> FileScan:
    """Read and measure one file; an unusable one gives a scan that says why."""
    try:
        return _measure(read_image(path))
    except UnreadableError as error:
        return FileScan(problem=(error.what, error.allowed, error.fix))
    except OSError as error:
        return FileScan(problem=(f"cannot be read: {error.strerror or error}", "", ""))


def _scan_to_keep(path: Path) -> FileScan:
    """Return the scan of a file, with its identity where it can be read and nobody wrote to it meanwhile."""
    try:
        before = _settled_identity(path)
        scan = scan_file(path)
        unchanged = before == identity(path)
    except OSError:
        return scan_file(path)
    return replace(scan, identity=before) if unchanged and scan.problem is None else scan


def _settled_identity(path: Path) -> str:
    """Return the identity of a file once a further change would show in its times, which tick in steps."""
    newest = max((max(own.st_mtime_ns, own.st_ctime_ns) for own in map(Path.stat, source_files(path))), default=0)
    step = _COARSE_STEP if newest % 10**9 == 0 else _FINE_STEP
    wait = newest / 1e9 + step - time.time()
    if 0 < wait <= step:
        time.sleep(wait)
    return identity(path)


def _measure(image: Image) -> FileScan:
    flat = image.array.reshape(image.num_channels, -1)
    bad = flat.size - int(np.isfinite(flat).sum())
    if bad:
        what = f"has {bad:,} voxels that are NaN or infinite"
        return FileScan(problem=(what, "finite numbers", "replace them, or leave the row out"))
    low, high = np.percentile(flat, _PERCENTILES, axis=1)
    smallest = float(flat.min())
    below = [float((flat < edge).mean()) for edge in HOUNSFIELD_EDGES]
    return FileScan(
        shape=tuple(int(length) for length in image.geometry.shape),
        affine=tuple(tuple(row) for row in image.geometry.affine.tolist()),
        physical=bool(image.geometry.physical),
        dtype=str(image.dtype),
        channels=image.num_channels,
        colour_fraction=_colour_fraction(image),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        smallest=smallest,
        largest=float(flat.max()),
        smallest_share=float((flat <= smallest + _SAME).mean()),
        whole_numbers=bool((flat == np.rint(flat)).all()),
        hounsfield_shares=tuple(np.diff([0.0, *below, 1.0]).tolist()),
        labels=_labels(flat),
        modality=str(image.modality),
        frame=str(image.frame),
        content=voxel_digest(image),
        remark=image.remark,
    )


def _labels(values: NDArray[np.float32]) -> tuple[int, ...]:
    """Return the values where they may be labels, nothing where they are measurements."""
    if values.min() < 0 or values.max() > _LARGEST_LABEL or (values != np.rint(values)).any():
        return ()
    found = np.flatnonzero(np.bincount(values.ravel().astype(np.int64)))
    return tuple(found.tolist()) if len(found) <= _MOST_LABELS else ()


def voxel_digest(image: Image) -> str:
    """Return 16 hexadecimal digits that stand for the values of the voxels, whatever holds them."""
    little_endian = np.ascontiguousarray(image.array, "<f4")
    return hashlib.blake2b(little_endian.data, digest_size=8).hexdigest()


def _colour_fraction(image: Image) -> float:
    if image.num_channels != _RGB:
        return 0.0
    if image.geometry.physical and image.dtype != "uint8":
        return 1.0  # three measurements, however near they are, and not a color
    spread = image.array.max(axis=0) - image.array.min(axis=0)
    largest = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1.0
    return float((spread > _COLOUR_SPREAD * largest).mean())
