"""Images of all sets on one grid of values and pixels, in files that are mapped into memory.

Volumes become three stacks of slices, evenly spaced and symmetrical about the middle; for extractors that look at whole
volumes, cubes too.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.formats.code_version import code_version, reader_version
from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import locate, reader_and_files, source_files
from gandlf_synth.data.formats.recorded_scale import read_in_data_units
from gandlf_synth.data.processing.pipeline import with_channels
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.evaluation.grid import Grid, to_unit
from gandlf_synth.evaluation.image_sets import ImageSet
from gandlf_synth.files import atomic_path
from gandlf_synth.launcher import usable_cores
from gandlf_synth.metrics.slicing import cut_stacks, resize_planes, resize_volumes
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import digest

_VERSION = 3
_AHEAD = 128
"""Images read before they are written, which bounds memory."""
VOLUME = "volume"
"""The name of the one stack of a set of whole volumes."""


@dataclass(frozen=True)
class PlaneSet:
    """The planes of a set.

    Args:
        name: ``real``, ``synthetic`` or ``train``.
        pixels: ``(n, stacks, slices, channels, rows, columns)`` float16 in [0, 1], mapped from a file.
        samples: where each image comes from.
        content: a hash of the bytes of each image's files.
        key: stands for all of it, to cache what is computed from it.
    """

    name: str
    pixels: NDArray[np.float16]
    samples: Sequence[Sample]
    content: tuple[str, ...]
    key: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.samples)

    @property
    def subjects(self) -> NDArray[np.str_]:
        """The subject of each image."""
        return np.array([sample.subject for sample in self.samples])

    @property
    def labels(self) -> list[str] | None:
        """The class name of each image, or None where any has none."""
        names = [s.label_name or (str(s.label) if s.label is not None else "") for s in self.samples]
        return names if all(names) else None


def read_planes(source: ImageSet, grid: Grid, cache: Path, progress: Progress) -> PlaneSet:
    """Return the planes of ``source``, from the cache when the same files were read on the same grid before.

    Raises:
        ResourceError: the disk is full.
    """
    samples = source.manifest.samples
    with ThreadPoolExecutor(usable_cores()) as pool:
        hashes = progress(pool.map(_hash, samples), len(samples), f"Hashing {source.name} images")
        content = tuple(hashes)
    key = digest([_VERSION, _code(samples), asdict(grid), content])

    def read(sample: Sample) -> NDArray[np.float16]:
        return to_planes(read_sample(sample, grid), grid.of_image(sample))

    path = writable_cache(cache) / "evaluation" / f"planes-{key}.npy"
    pixels = _read_pixels(path, samples, grid.shape, read, progress, source.name)
    return PlaneSet(source.name, pixels, samples, content, key)


def _code(samples: Sequence[Sample]) -> list[str]:
    """Return what changes when the code does that reads the files and makes planes of them."""
    readers = {reader_and_files(path)[0] for sample in samples for path in sample.channels}
    own = code_version(PlaneSet, "data/processing", "evaluation/planes.py", "evaluation/grid.py")
    return sorted([own, *(reader_version(type(reader)) for reader in readers if reader)])


def read_volumes(planes: PlaneSet, grid: Grid, side: int, cache: Path, progress: Progress) -> PlaneSet:
    """Return the set of ``planes`` with whole volumes as its pixels, ``(n, 1, 1, channels, *cube)``.

    A volume is the one slice of one stack. The cube has ``side`` voxels a side, or fewer where the grid has, so that no
    set gains detail over another.

    Raises:
        ResourceError: the disk is full.
    """
    side = min(side, *grid.size)
    how = [_code(planes.samples), side, grid.column_channels, grid.low, grid.high, grid.odd]
    key = digest([_VERSION, VOLUME, how, planes.content])
    shape = (1, 1, sum(grid.column_channels), side, side, side)

    def read(sample: Sample) -> NDArray[np.float16]:
        return to_cube(read_sample(sample, grid), grid.of_image(sample), side)[None, None]

    path = writable_cache(cache) / "evaluation" / f"volumes-{key}.npy"
    pixels = _read_pixels(path, planes.samples, shape, read, progress, f"volumes of {planes.name}")
    return replace(planes, pixels=pixels, key=key)


def to_planes(image: Image, grid: Grid) -> NDArray[np.float16]:
    """Return an image's planes, ``(stacks, slices, channels, rows, columns)`` in [0, 1], upright."""
    values = image.with_values(to_unit(image.array, grid)).canonical().array
    if grid.spatial_dims == 3:
        values = values[:, ::-1, ::-1, ::-1]
    stacks = cut_stacks(torch.from_numpy(np.ascontiguousarray(values))[None], grid.slices)
    return np.stack([_half(resize_planes(stack[0], grid.size)) for stack in stacks])


def to_cube(image: Image, grid: Grid, side: int) -> NDArray[np.float16]:
    """Return a volume in [0, 1] and RAS+ on a cube, ``(channels, side, side, side)``."""
    upright = image.with_values(to_unit(image.array, grid)).canonical().array
    return _half(resize_volumes(torch.from_numpy(np.ascontiguousarray(upright))[None], side)[0])


def _half(values: torch.Tensor) -> NDArray[np.float16]:
    return values.clamp(0, 1).numpy().astype(np.float16)


def read_sample(sample: Sample, grid: Grid) -> Image:
    """Return an image with all its channels, as many of each CSV column as the grid has."""
    columns = zip(sample.channels, grid.column_channels, strict=True)
    return stacked([with_channels(read_in_data_units(path), channels) for path, channels in columns])


def _read_pixels(
    path: Path,
    samples: Sequence[Sample],
    shape: tuple[int, ...],
    read: Callable[[Sample], NDArray[np.float16]],
    progress: Progress,
    name: str,
) -> NDArray[np.float16]:
    """Return what ``read`` gives of each sample, ``(n, *shape)``, mapped from ``path`` and read again only without it.

    Raises:
        ResourceError: the disk is full.
    """
    if not path.is_file():
        with ThreadPoolExecutor(usable_cores()) as pool, atomic_path(path) as temporary:
            pixels = np.lib.format.open_memmap(temporary, "w+", np.float16, (len(samples), *shape))
            for start in progress(range(0, len(samples), _AHEAD), -(-len(samples) // _AHEAD), f"Reading {name}"):
                pixels[start : start + _AHEAD] = np.stack(list(pool.map(read, samples[start : start + _AHEAD])))
            pixels.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _hash(sample: Sample) -> str:
    whole = hashlib.sha256()
    for cell in sample.channels:
        whole.update(locate(cell).part.encode())
        for path in source_files(cell):
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
