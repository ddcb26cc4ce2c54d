"""What is computed once from every image and kept: features, histograms, spectra, first-order features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.evaluation.planes import PlaneSet
from gandlf_synth.files import atomic_path
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.first_order import first_order
from gandlf_synth.metrics.histogram import histograms
from gandlf_synth.metrics.spectrum import radial_spectrum
from gandlf_synth.provenance import digest

_VERSION = 1
_BATCH = 32

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ImageSetFeatures:
    """A set of images in numbers; ``n`` images of ``stacks`` stacks of ``slices`` slices.

    Features of whole volumes are one stack of one slice.

    Args:
        planes: the images themselves.
        features: ``(n, stacks, slices, dimension)``, mapped from a file.
        histograms: mean over an image's planes, ``(n, channels, bins)``.
        spectra: mean over an image's planes, ``(n, bins)``, dB.
        first_order: mean over an image's planes, ``(n, len(first_order.NAMES))``.
        rows: what has a row of features: ``planes`` or ``volumes``.
    """

    planes: PlaneSet
    features: Floats
    histograms: Floats
    spectra: Floats
    first_order: Floats
    rows: str = "planes"

    @property
    def dimension(self) -> int:
        """The number of features of a plane or volume."""
        return int(self.features.shape[-1])

    @property
    def embedding(self) -> Floats:
        """One row of features per image: the mean over the slices of each stack, side by side."""
        return np.asarray(self.features.mean(axis=2)).reshape(len(self.planes), -1)

    def stack(self, index: int) -> Floats:
        """Return the features of the planes of one stack, or of the volumes, ``(n · slices, dimension)``."""
        return np.asarray(self.features[:, index]).reshape(-1, self.dimension)

    @property
    def plane_subjects(self) -> NDArray[np.str_]:
        """The subject of each row of ``stack``."""
        return np.repeat(self.planes.subjects, self.features.shape[2])


def extract_features(
    planes: PlaneSet, extractor: Extractor, cache: Path, progress: Progress, volumes: PlaneSet | None = None
) -> ImageSetFeatures:
    """Return everything that the metrics need of a set, from the cache where the content was seen before.

    Args:
        planes: the set.
        extractor: looks at ``volumes`` where there are any, and else at the planes.
        cache: the folder of what was computed.
        progress: shows it.
        volumes: the same set as ``read_volumes`` returns it.
    """
    seen = planes if volumes is None else volumes
    key = digest([_VERSION, seen.key, extractor.name, extractor.weights_sha256, extractor.side])
    features = _computed(
        cache / "evaluation" / f"features-{key}.npy",
        seen,
        lambda chunk: extractor(torch.from_numpy(chunk)).numpy(),
        progress,
        f"Features of {planes.name}",
    )
    described = _computed(
        cache / "evaluation" / f"statistics-v{_VERSION}-{planes.key}.npy",
        planes,
        _statistics,
        progress,
        f"Statistics of {planes.name}",
    ).mean(axis=(1, 2))
    channels = planes.pixels.shape[3]
    bins, rings = 64, 32
    parts = np.split(described, [channels * bins, channels * bins + rings], axis=1)
    rows = "planes" if volumes is None else "volumes"
    return ImageSetFeatures(planes, features, parts[0].reshape(-1, channels, bins), parts[1], parts[2], rows)


def _statistics(chunk: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = [histograms(chunk).reshape(len(chunk), -1), radial_spectrum(chunk), first_order(chunk)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _computed(
    path: Path,
    planes: PlaneSet,
    compute: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    progress: Progress,
    description: str,
) -> Floats:
    """Return ``(n, stacks, slices, values)``, computed a few images at a time and mapped from ``path``."""
    if not path.is_file():
        n, stacks, slices = planes.pixels.shape[:3]
        with atomic_path(path) as temporary:
            result = None
            for start in progress(range(0, n, _BATCH), -(-n // _BATCH), description):
                chunk = np.asarray(planes.pixels[start : start + _BATCH], dtype=np.float32)
                rows = np.concatenate([compute(part) for part in _parts(chunk.reshape(-1, *chunk.shape[3:]))])
                if result is None:
                    shape = (n, stacks, slices, rows.shape[1])
                    result = np.lib.format.open_memmap(temporary, "w+", np.float32, shape)
                result[start : start + _BATCH] = rows.reshape(len(chunk), stacks, slices, -1)
            if result is not None:
                result.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _parts(planes: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [planes[start : start + _BATCH] for start in range(0, len(planes), _BATCH)]
