"""The outcome of deterministic preprocessing, computed once and kept: the second epoch reads no source image.

The cache is content-addressed (identity of the files, pipeline, format version), one ``.npy`` per sample, written
atomically, and shared by every run with the same cache folder.
"""

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.scan import identity
from gandlf_synth.data.loading.cache import lease
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.files import atomic_path, write_json
from gandlf_synth.geometry import Geometry
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress
from gandlf_synth.provenance import digest

_VERSION = 2
_TAILS = (0.1, 99.9)
_CHUNK = 1024
"""Samples in flight at a time, so that a long CSV takes no more memory than a short one."""
_PER_CHANNEL = ("scale", "offset", "low", "high", "low_tail", "high_tail")
_log = logging.getLogger(__name__)
T = TypeVar("T")


class PreparedSample(BaseModel):
    """One preprocessed sample: where its voxels are kept and how they relate to the files.

    Args:
        path: a ``.npy`` file, float32 ``(channels, *shape)``.
        geometry: the grid, as ``Geometry.to_json``.
        scale, offset: per channel; ``prepared value = value in the file · scale + offset``.
        low, high: per channel, smallest and largest prepared value.
        low_tail, high_tail: per channel, the 0.1th and 99.9th percentile of the prepared values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    geometry: dict[str, Any]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    low_tail: tuple[float, ...]
    high_tail: tuple[float, ...]

    @property
    def grid(self) -> Geometry:
        """The grid of the prepared voxels."""
        return Geometry.from_json(self.geometry)


class PreparedSamples(Sequence[PreparedSample]):
    """Prepared samples of one folder, a few hundred bytes each however many there are.

    Args:
        folder: where their files are.
        rows: a record per sample, as ``_record_type`` says.
    """

    def __init__(self, folder: Path, rows: NDArray[np.void]) -> None:
        self._folder, self._rows = folder, rows

    @classmethod
    def of(cls, samples: Sequence[PreparedSample]) -> Self:
        """Return ``samples``, of one folder, in records."""
        rows = np.array([_record(sample) for sample in samples], _record_type(samples[0]))
        return cls(samples[0].path.parent, rows)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return all samples of ``parts``, which are of one folder."""
        return cls(parts[0]._folder, np.concatenate([part._rows for part in parts]))

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> PreparedSample: ...
    @overload
    def __getitem__(self, index: slice) -> "PreparedSamples": ...
    def __getitem__(self, index: int | slice) -> "PreparedSample | PreparedSamples":
        """Return one sample, or several."""
        if isinstance(index, slice):
            return PreparedSamples(self._folder, self._rows[index])
        row = self._rows[index]
        geometry = {name: row[name].tolist() for name in ("shape", "affine", "physical")}
        numbers = {name: tuple(row[name].tolist()) for name in _PER_CHANNEL}
        return PreparedSample(path=self._folder / str(row["file"]), geometry=geometry, **numbers)


def _record_type(sample: PreparedSample) -> list[Any]:
    channels = [(name, "f8", (len(sample.scale),)) for name in _PER_CHANNEL]
    dims = len(sample.geometry["shape"])
    name = f"U{len(sample.path.name)}"
    return [("file", name), ("shape", "i4", (dims,)), ("affine", "f8", (4, 4)), ("physical", "?"), *channels]


def _record(sample: PreparedSample) -> tuple[Any, ...]:
    geometry = (sample.geometry[name] for name in ("shape", "affine", "physical"))
    return (sample.path.name, *geometry, *(getattr(sample, name) for name in _PER_CHANNEL))


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, _CHUNK)):
        yield part


def prepare(manifest: Manifest, pipeline: Pipeline, cache: Path, progress: Progress = no_progress) -> PreparedSamples:
    """Return every sample of ``manifest`` preprocessed, computing only those that the cache does not hold undamaged.

    Raises:
        DataError: every sample that a step cannot be applied to.
    """
    folder = cache / f"prepared-v{_VERSION}-{digest(pipeline.key())}"
    lease(folder)
    problems: list[Problem] = []

    def outcomes() -> Iterator[PreparedSample]:
        with ThreadPoolExecutor(usable_cores()) as pool:
            parts = _chunks(manifest.samples)
            in_order = chain.from_iterable(
                pool.map(lambda sample: _prepare_one(manifest, sample, pipeline, folder), part) for part in parts
            )
            for outcome in progress(in_order, len(manifest.samples), "Preparing images"):
                if isinstance(outcome, Problem):
                    problems.append(outcome)
                else:
                    yield outcome

    parts = [PreparedSamples.of(part) for part in _chunks(outcomes())]
    raise_if_any(problems, DataError)
    return PreparedSamples.joined(parts)


def _prepare_one(manifest: Manifest, sample: Sample, pipeline: Pipeline, folder: Path) -> PreparedSample | Problem:
    key = digest([identity(path) for path in sample.files])
    voxels, facts = folder / f"{key}.npy", folder / f"{key}.json"
    stored = _stored(voxels, facts)
    if stored and (not pipeline.keeps_mask or mask_of(voxels).is_file()):
        return stored
    try:
        image = pipeline(sample)
    except (UnreadableError, TransformError) as error:
        return Problem(manifest.where(sample, 0), f"cannot be preprocessed: {error}")
    with atomic_path(voxels) as temporary:
        with temporary.open("wb") as file:
            np.save(file, image.array)
        checksum = _checksum(temporary)
    if pipeline.keeps_mask and image.mask is not None:
        with atomic_path(mask_of(voxels)) as temporary, temporary.open("wb") as file:
            np.save(file, image.mask > 0)
    prepared = _describe(image, voxels)
    write_json(facts, {"sample": prepared.model_dump(mode="json"), "crc32": checksum})
    return prepared


def _stored(voxels: Path, facts: Path) -> PreparedSample | None:
    """Return what the cache holds; None, and a word in the log where it is damaged, when it must be computed."""
    try:
        content = json.loads(facts.read_text())
        stored = PreparedSample.model_validate({**content["sample"], "path": voxels})
        if _checksum(voxels) == content["crc32"]:
            return stored
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        pass
    _log.warning("%s in the cache is damaged and is computed again", voxels)
    return None


def mask_of(voxels: Path) -> Path:
    """Return where the mask of the prepared sample at ``voxels`` is: bool ``(*shape)``."""
    return voxels.with_suffix(".mask.npy")


def _checksum(path: Path) -> int:
    """Return the CRC-32 of a file, which differs too when the length does."""
    return zlib.crc32(path.read_bytes())


def _describe(image: Image, path: Path) -> PreparedSample:
    flat = image.array.reshape(image.num_channels, -1)
    low_tail, high_tail = np.percentile(flat, _TAILS, axis=1)
    return PreparedSample(
        path=path,
        geometry=image.geometry.to_json(),
        scale=tuple(image.scale.tolist()),
        offset=tuple(image.offset.tolist()),
        low=tuple(flat.min(axis=1).tolist()),
        high=tuple(flat.max(axis=1).tolist()),
        low_tail=tuple(low_tail.tolist()),
        high_tail=tuple(high_tail.tolist()),
    )
