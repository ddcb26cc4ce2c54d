"""Reading many images, into a file that is mapped into memory."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import locate, read_image, source_files
from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.data.processing.pipeline import with_channels
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.files import atomic_path
from gandlf_synth.launcher import usable_cores

_AHEAD = 128
"""Images read before they are written, which bounds memory."""


def hashed(samples: Sequence[Sample], progress: Progress, name: str) -> tuple[str, ...]:
    """Return a hash of the bytes of each image's files."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return tuple(progress(pool.map(_content, samples), len(samples), f"Hashing {name} images"))


def read_pixels(
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


def read_sample(sample: Sample, column_channels: Sequence[int]) -> Image:
    """Return an image with all its channels, ``column_channels`` of each CSV column."""
    columns = zip(sample.channels, column_channels, strict=True)
    return stacked([with_channels(read_image(path), channels) for path, channels in columns])


def _content(sample: Sample) -> str:
    whole = hashlib.sha256()
    for cell in sample.channels:
        whole.update(locate(cell).part.encode())
        for path in source_files(cell):
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
