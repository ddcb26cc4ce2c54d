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
from gandlf_synth.data.formats.readers.base import FOLDER
from gandlf_synth.data.formats.writers import Writer, read_provenance
from gandlf_synth.geometry import Geometry, Voxels, picture_geometry
from gandlf_synth.testing.promises import Promises, seen_unless

_SHAPES = {2: (7, 5), 3: (6, 5, 3)}
_EXACT = 2**24
"""Whole numbers up to it are exact as float32."""
_OBLIQUE = np.array([[1.6, -0.72, 0, -12], [1.2, 0.96, 0, 5], [0, 0, 2.5, 33], [0, 0, 0, 1]])
_LEFT_HANDED = _OBLIQUE @ np.diag([-1.0, 1, 1, 1])
_STEPS = 2**16 - 2
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
    promises.add("what is written is read back, with its number type unless it says otherwise", _each, writer, _voxels)
    promises.add("a file that states millimetres states where the voxels lie", _each, writer, _geometry)
    promises.add("the provenance is in the file, and is found there", _each, writer, _provenance)
    promises.add("equal arguments give equal bytes, whatever the file is called", _each, writer, _equal_bytes)
    promises.add("a file is written over another, and nothing is left beside it", _each, writer, _nothing_else)
    promises.check()


def _cases(writer: Writer) -> Iterator[_Case]:
    for spatial_dims in writer.spatial_dims:
        grids = [grid for grid in _grids(_SHAPES[spatial_dims]) if not writer.refusal(grid)]
        for number_type in filter(writer.holds, NUMBER_TYPES):
            for channels in writer.channels:
                values = _values(number_type, (channels, *_SHAPES[spatial_dims]))
                if writer.fits(values):
                    yield from (_Case(values, grid) for grid in grids)
                    grids = grids[-1:]


def _grids(shape: tuple[int, ...]) -> list[Geometry]:
    """Return a grid that lies aslant in the patient, and its mirror image, or of a picture one without a size."""
    further = picture_geometry(shape) if len(shape) == 2 else Geometry(shape, _LEFT_HANDED)
    return [Geometry(shape, _OBLIQUE), further]


def _values(number_type: str, shape: tuple[int, ...]) -> Voxels:
    """Return values from the whole range of a type, as far as images in memory hold it exactly."""
    rng = np.random.default_rng(0)
    if not np.issubdtype(np.dtype(number_type), np.integer):
        return rng.normal(0, 1000, shape).astype(number_type)
    limits = np.iinfo(number_type)
    low, high = max(limits.min, -_EXACT), min(limits.max, _EXACT)
    return rng.integers(low, high, shape, number_type, endpoint=True)


def _endings(writer: Writer) -> str:
    endings = [suffix for suffix in writer.suffixes if suffix != FOLDER]
    wrong = [ending for ending in endings if not (ending.startswith(".") and ending == ending.lower())]
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
    exact = case.voxels.astype(np.float64)
    if writer.lossy:
        kept = image.array.shape == exact.shape and image.dtype == case.voxels.dtype.name
    elif not writer.exact:
        kept = image.array.shape == exact.shape and np.abs(image.array - exact).max() <= _half_step(case.voxels)
    else:
        kept = np.array_equal(image.array, exact) and image.dtype == case.voxels.dtype.name
    return seen_unless(kept, f"{image.dtype} {image.array.shape} with other values or of another type")


def _half_step(voxels: Voxels) -> float:
    """Return by how much a format that rounds may change values: not at all those that fit into 16 bits."""
    if voxels.dtype.itemsize <= 2:
        return 0.0
    span = float(voxels.max()) - float(voxels.min())
    return 0.5 * span / _STEPS + 1e-6 * float(np.abs(voxels).max())


def _geometry(writer: Writer, case: _Case, folder: Path) -> str:
    geometry = read_image(_write(writer, case, folder)).geometry
    return seen_unless(not geometry.physical or geometry.matches(case.geometry), geometry.affine.tolist())


def _provenance(writer: Writer, case: _Case, folder: Path) -> str:
    path = _write(writer, case, folder)
    text = writer.embedded_text(path)
    kept = text is not None and json.loads(text) == _PROVENANCE and read_provenance(path) == _PROVENANCE
    return seen_unless(kept, text)


def _equal_bytes(writer: Writer, case: _Case, folder: Path) -> str:
    one, other = (_bytes_of(_write(writer, case, folder, stem)) for stem in ("image", "other"))
    return seen_unless(one == other, "other bytes")


def _bytes_of(path: Path) -> list[bytes]:
    """Return the content of a file, or of all files of a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file.read_bytes() for file in files if file.is_file()]


def _nothing_else(writer: Writer, case: _Case, folder: Path) -> str:
    for _ in range(2):
        _write(writer, case, folder)
    files = sorted(file.name for file in folder.iterdir())
    return seen_unless(len(files) == 1, files)
