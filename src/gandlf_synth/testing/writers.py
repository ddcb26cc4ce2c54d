"""The conformance kit of writers: what is written is read back, with its place and where it comes from."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gandlf_synth import registry
from gandlf_synth.data.formats.image import NUMBER_TYPES
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import Writer, read_provenance
from gandlf_synth.geometry import Geometry, Voxels, picture_geometry
from gandlf_synth.testing.promises import Promises, seen_unless

_SHAPES = {2: (7, 5), 3: (7, 5, 6)}
_EXACT = 2**24
"""Whole numbers up to it are exact as float32."""
_OBLIQUE = np.array([[1.8, 0.3, 0.1, -12], [-0.3, 1.9, 0.2, 5], [0.1, -0.2, 2.5, 33], [0, 0, 0, 1]])
_PROVENANCE = {"mark": "SYNTHETIC", "seed": 7, "class": "Größe", "nested": {"versions": ["1.0"]}}


@dataclass(frozen=True)
class _Case:
    """What one file is made from."""

    voxels: Voxels
    geometry: Geometry

    def __str__(self) -> str:
        return f"{self.voxels.dtype} {self.voxels.shape}"


Attempt = Callable[[Writer, _Case, Path], str]


def check_writer(name: str) -> None:
    """Check a registered writer.

    Args:
        name: the registered name.

    Raises:
        PluginError: every promise that the writer breaks.

    Example:
        >>> check_writer("nifti")
    """
    writer: Writer = registry.load("writers", name)()
    promises = Promises(f"writers.{name}")
    promises.add("its endings are lower case and start with a dot", _endings, writer)
    promises.add("it takes at least one kind of image that it says it takes", _takes_some, writer)
    promises.add("what is written is read back, with its number type", _each, writer, _voxels)
    promises.add("a file that states millimetres states where the voxels lie", _each, writer, _geometry)
    promises.add("the provenance is in the file, and is found there", _each, writer, _provenance)
    promises.add("equal arguments give equal bytes, whatever the file is called", _each, writer, _equal_bytes)
    promises.add("a file is written over another, and nothing is left beside it", _each, writer, _nothing_else)
    promises.check()


def _cases(writer: Writer) -> Iterator[_Case]:
    for spatial_dims in writer.spatial_dims:
        shape = _SHAPES[spatial_dims]
        geometry = Geometry(shape, _OBLIQUE) if spatial_dims == 3 else picture_geometry(shape)
        for number_type in filter(writer.holds, NUMBER_TYPES):
            for channels in writer.channels:
                values = _values(number_type, (channels, *shape))
                if writer.fits(values):
                    yield _Case(values, geometry)


def _values(number_type: str, shape: tuple[int, ...]) -> Voxels:
    """Return values from the whole range of a type, as far as images in memory hold it exactly."""
    rng = np.random.default_rng(0)
    if not np.issubdtype(np.dtype(number_type), np.integer):
        return rng.normal(0, 1000, shape).astype(number_type)
    limits = np.iinfo(number_type)
    low, high = max(limits.min, -_EXACT), min(limits.max, _EXACT)
    return rng.integers(low, high, shape, number_type, endpoint=True)


def _endings(writer: Writer) -> str:
    wrong = [suffix for suffix in writer.suffixes if not (suffix.startswith(".") and suffix == suffix.lower())]
    return seen_unless(bool(writer.suffixes) and not wrong, wrong or "none")


def _takes_some(writer: Writer) -> str:
    return seen_unless(next(_cases(writer), None) is not None, "none")


def _each(writer: Writer, attempt: Attempt) -> str:
    """Return what was seen first, of all images that one file can hold."""
    for case in _cases(writer):
        with TemporaryDirectory() as folder:
            seen = attempt(writer, case, Path(folder))
        if seen:
            return f"{seen}, of {case}"
    return ""


def _write(writer: Writer, case: _Case, folder: Path, stem: str = "image") -> Path:
    path = folder / f"{stem}{writer.suffix}"
    writer(path, case.voxels.copy(), case.geometry, _PROVENANCE)
    return path


def _voxels(writer: Writer, case: _Case, folder: Path) -> str:
    image = read_image(_write(writer, case, folder))
    kept = np.array_equal(image.array, case.voxels) and image.dtype == case.voxels.dtype.name
    return seen_unless(kept, f"{image.dtype} {image.array.shape} with other values or of another type")


def _geometry(writer: Writer, case: _Case, folder: Path) -> str:
    geometry = read_image(_write(writer, case, folder)).geometry
    return seen_unless(not geometry.physical or geometry.matches(case.geometry), geometry.affine.tolist())


def _provenance(writer: Writer, case: _Case, folder: Path) -> str:
    path = _write(writer, case, folder)
    text = writer.embedded_text(path)
    kept = text is not None and json.loads(text) == _PROVENANCE and read_provenance(path) == _PROVENANCE
    return seen_unless(kept, text)


def _equal_bytes(writer: Writer, case: _Case, folder: Path) -> str:
    one, other = (_write(writer, case, folder, stem).read_bytes() for stem in ("image", "other"))
    return seen_unless(one == other, "other bytes")


def _nothing_else(writer: Writer, case: _Case, folder: Path) -> str:
    for _ in range(2):
        _write(writer, case, folder)
    files = sorted(file.name for file in folder.iterdir())
    return seen_unless(len(files) == 1, files)
