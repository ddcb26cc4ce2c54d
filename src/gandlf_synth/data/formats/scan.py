"""Reads every image once: finds what is wrong with it, and measures what the automatic choices need.

Results are kept in the cache by file identity (path, size, modification time), so that a second run reads nothing.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError, read_image, source_files
from gandlf_synth.errors import Problem
from gandlf_synth.files import write_json
from gandlf_synth.geometry import Geometry
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress
from gandlf_synth.provenance import digest

_VERSION = 3
_PERCENTILES = (0.5, 99.5)
_RGB = 3
_SAME = 0.5
"""Values nearer than this are one constant, which interpolation has touched."""
HOUNSFIELD_EDGES = (-1100.0, -850.0, -200.0, 150.0, 3100.0)
"""HU between which CT shows nothing, air, lung and partial volumes, fat and soft tissue, bone and contrast, metal."""
_COLOUR_SPREAD = 1 / 16
"""Difference between channels, as a share of the type's range, from which a pixel is coloured; JPEG noise is below."""


class FileScan(BaseModel):
    """What one image file holds, or why it cannot be used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: tuple[int, ...] = ()
    affine: tuple[tuple[float, ...], ...] = ()
    physical: bool = True
    dtype: str = ""
    channels: int = 0
    colour_fraction: float = 0.0
    """For pictures of three channels, the share of pixels that are not grey."""
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
    modality: str = ""
    """What a DICOM header says: ``CT``, ``MR`` and so on."""
    content: str = ""
    """A digest of the voxels' values: the same for the same image under another name or compression."""
    problem: tuple[str, str, str] | None = None
    """What is wrong, what is allowed, what to do."""

    @property
    def geometry(self) -> Geometry:
        """The grid of the file."""
        return Geometry.from_json({"shape": self.shape, "affine": self.affine, "physical": self.physical})

    def problem_at(self, where: str) -> Problem | None:
        """Return the problem with the file, placed, or None."""
        return Problem(where, *self.problem) if self.problem else None


Scans = Mapping[Path, FileScan]
"""What is known of every file of a data set."""


def identity(path: Path) -> str:
    """Return a digest that changes when what ``path`` names does: a file, or all files of a folder.

    It is made of the path, and the size and modification time of every file.
    """
    files = [(file, file.stat()) for file in source_files(path)]
    return digest([os.path.realpath(path), *((file.name, own.st_size, own.st_mtime_ns) for file, own in files)])


def stored_bytes(path: Path) -> int:
    """Return the size of what ``path`` names: a file, or all files of a folder."""
    return sum(file.stat().st_size for file in source_files(path))


def scan_files(paths: Sequence[Path], cache: Path, progress: Progress = no_progress) -> dict[Path, FileScan]:
    """Return the scan of every path, reading only files that were not scanned before.

    Args:
        paths: existing files; repeated ones are read once.
        cache: folder where scans are kept.
        progress: shows how far it is.
    """
    unique = list(dict.fromkeys(paths))
    identities = {path: identity(path) for path in unique}
    store = cache / f"scan-v{_VERSION}-{digest(sorted(identities.values()))}.json"
    known = _load(store)
    missing = [path for path in unique if identities[path] not in known]
    if missing:
        with ThreadPoolExecutor(usable_cores()) as pool:
            results = progress(pool.map(scan_file, missing), len(missing), "Checking images")
            known.update((identities[path], scan) for path, scan in zip(missing, results, strict=True))
        write_json(store, {key: scan.model_dump() for key, scan in known.items()})
    return {path: known[identities[path]] for path in unique}


def _load(store: Path) -> dict[str, FileScan]:
    try:
        content = json.loads(store.read_text())
        return {key: FileScan.model_validate(scan) for key, scan in content.items()}
    except (OSError, ValueError, ValidationError):
        return {}


def scan_file(path: Path) -> FileScan:
    """Read and measure one file; an unusable one gives a scan that says why."""
    try:
        image = read_image(path)
    except UnreadableError as error:
        return FileScan(problem=(error.what, error.allowed, error.fix))
    return _measure(image)


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
        shape=image.geometry.shape,
        affine=tuple(tuple(row) for row in image.geometry.affine.tolist()),
        physical=image.geometry.physical,
        dtype=image.dtype,
        channels=image.num_channels,
        colour_fraction=_colour_fraction(image),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        smallest=smallest,
        largest=float(flat.max()),
        smallest_share=float((flat <= smallest + _SAME).mean()),
        whole_numbers=bool((flat == np.rint(flat)).all()),
        hounsfield_shares=tuple(np.diff([0.0, *below, 1.0]).tolist()),
        modality=image.modality,
        content=voxel_digest(image),
    )


def voxel_digest(image: Image) -> str:
    """Return 16 hexadecimal digits that stand for the values of the voxels, whatever holds them."""
    little_endian = np.ascontiguousarray(image.array, "<f4")
    return hashlib.blake2b(little_endian.data, digest_size=8).hexdigest()


def _colour_fraction(image: Image) -> float:
    if image.num_channels != _RGB or image.geometry.physical:
        return 0.0
    spread = image.array.max(axis=0) - image.array.min(axis=0)
    largest = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1.0
    return float((spread > _COLOUR_SPREAD * largest).mean())
