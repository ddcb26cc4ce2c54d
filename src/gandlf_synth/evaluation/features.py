"""What is computed once from every image and cached: features, histograms, spectra, first-order features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.formats.code_version import code_version
from gandlf_synth.evaluation.planes import PlaneSet
from gandlf_synth.files import atomic_path
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.first_order import first_order
from gandlf_synth.metrics.histogram import HISTOGRAM_BINS, histograms
from gandlf_synth.metrics.image_set import ImageSetFeatures
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.spectrum import SPECTRUM_BINS, radial_spectrum
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import digest

_VERSION = 1
_BATCH = 32


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
    looking = [code_version(type(extractor), "metrics"), extractor.name, extractor.weights_sha256, extractor.side]
    key = digest([_VERSION, seen.key, looking])
    code = code_version(ImageSetFeatures, "metrics")
    features = _computed(
        writable_cache(cache) / "evaluation" / f"features-{key}.npy",
        seen,
        lambda chunk: extractor(torch.from_numpy(chunk)).numpy(),
        progress,
        f"Features of {planes.name}",
    )
    statistics = _computed(
        writable_cache(cache) / "evaluation" / f"statistics-{digest([_VERSION, planes.key, code])}.npy",
        planes,
        _statistics,
        progress,
        f"Statistics of {planes.name}",
    ).mean(axis=(1, 2))
    channels = planes.pixels.shape[3]
    shares, spectra, first_order_features = np.split(
        statistics, [channels * HISTOGRAM_BINS, channels * HISTOGRAM_BINS + SPECTRUM_BINS], axis=1
    )
    return ImageSetFeatures(
        name=planes.name,
        pixels=planes.pixels,
        features=features,
        histograms=shares.reshape(-1, channels, HISTOGRAM_BINS),
        spectra=spectra,
        first_order=first_order_features,
        subjects=planes.subjects,
        labels=planes.labels,
        files=tuple(str(sample.channels[0]) for sample in planes.samples),
        content=planes.content,
        rows="planes" if volumes is None else "volumes",
    )


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
