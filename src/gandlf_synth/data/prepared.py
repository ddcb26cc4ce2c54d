"""The outcome of deterministic preprocessing, computed once and kept: the second epoch reads no source image.

The cache is content-addressed (identity of the files, pipeline, format version), one ``.npy`` per sample, written
atomically, and shared by every run with the same cache folder.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from gandlf_synth.data.image import Image
from gandlf_synth.data.manifest import Manifest, Sample
from gandlf_synth.data.pipeline import Pipeline
from gandlf_synth.data.readers import UnreadableError
from gandlf_synth.data.scan import Progress, identity, no_progress
from gandlf_synth.data.transforms.base import TransformError
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.files import atomic_path, write_json
from gandlf_synth.geometry import Geometry
from gandlf_synth.provenance import digest

_VERSION = 1
_TAILS = (0.1, 99.9)


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


def default_cache() -> Path:
    """Return the folder for prepared data: GANDLF_SYNTH_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("GANDLF_SYNTH_CACHE")
    return Path(chosen) if chosen else user_cache_path("gandlf-synth")


def prepare(
    manifest: Manifest, pipeline: Pipeline, cache: Path, progress: Progress = no_progress
) -> list[PreparedSample]:
    """Return every sample of ``manifest`` preprocessed, computing only those that the cache does not hold.

    Raises:
        DataError: every sample that a step cannot be applied to.
    """
    folder = cache / f"prepared-v{_VERSION}-{digest(pipeline.key())}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda sample: _prepare_one(manifest, sample, pipeline, folder), manifest.samples)
        outcomes = list(progress(results, len(manifest.samples), "Preparing images"))
    raise_if_any([outcome for outcome in outcomes if isinstance(outcome, Problem)], DataError)
    return [outcome for outcome in outcomes if isinstance(outcome, PreparedSample)]


def _prepare_one(manifest: Manifest, sample: Sample, pipeline: Pipeline, folder: Path) -> PreparedSample | Problem:
    key = digest([identity(path) for path in sample.files])
    voxels, facts = folder / f"{key}.npy", folder / f"{key}.json"
    kept = _kept(voxels, facts)
    if kept:
        return kept
    try:
        image = pipeline(sample)
    except (UnreadableError, TransformError) as error:
        return Problem(manifest.where(sample, 0), f"cannot be preprocessed: {error}")
    with atomic_path(voxels) as temporary, temporary.open("wb") as file:
        np.save(file, image.array)
    prepared = _describe(image, voxels)
    write_json(facts, prepared.model_dump(mode="json"))
    return prepared


def _kept(voxels: Path, facts: Path) -> PreparedSample | None:
    try:
        content = json.loads(facts.read_text())
        return PreparedSample.model_validate({**content, "path": voxels}) if voxels.is_file() else None
    except (OSError, ValueError, ValidationError):
        return None


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


@dataclass(frozen=True)
class ModelRange:
    """The map of prepared values to [-1, 1], one for the whole data set, ``network = prepared · scale + offset``."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``array (channels, *shape)`` or a batch of such, mapped and clipped to [-1, 1]."""
        axes = (slice(None), *(None,) * (array.ndim - 1))
        mapped = array * self.scale[axes].astype(np.float32) + self.offset[axes].astype(np.float32)
        return np.clip(mapped, -1, 1, out=mapped)

    def file_values(self, samples: Sequence[PreparedSample], network_value: float) -> tuple[float, ...]:
        """Return per channel the value in the files' units that ``network_value`` stands for; median over samples."""
        values = [
            ((network_value - self.offset) / self.scale - np.array(sample.offset)) / np.array(sample.scale)
            for sample in samples
        ]
        return tuple(np.median(values, axis=0).tolist())


def model_range(samples: Sequence[PreparedSample]) -> ModelRange:
    """Return the map that brings the training data to the [-1, 1] in which models work.

    The whole range of the data is used, unless rare extremes (beyond the 0.1 % tails) would waste a fifth of it.
    """
    low = np.min([sample.low for sample in samples], axis=0)
    high = np.max([sample.high for sample in samples], axis=0)
    low_tail = np.min([sample.low_tail for sample in samples], axis=0)
    high_tail = np.max([sample.high_tail for sample in samples], axis=0)
    wasteful = (high - low) > 1.25 * (high_tail - low_tail)
    low, high = np.where(wasteful, low_tail, low), np.where(wasteful, high_tail, high)
    scale = 2 / np.where(high > low, high - low, 1.0)
    return ModelRange(scale, -1 - low * scale)
