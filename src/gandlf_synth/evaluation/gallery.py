"""What the report shows beside numbers: sample images, a map of the features, histograms, spectra."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.planes import Grid
from gandlf_synth.evaluation.privacy import Privacy

_SAMPLES = 12
_VOLUMES = 3
_POINTS = 600

Arrays = dict[str, NDArray[Any]]


def arrays_of(real: ImageSetFeatures, synthetic: ImageSetFeatures, privacy: Privacy, grid: Grid, seed: int) -> Arrays:
    """Return everything that the figures are drawn from, small enough to keep."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {
        "spectrum_real": np.percentile(real.spectra, [5, 50, 95], axis=0),
        "spectrum_synthetic": np.percentile(synthetic.spectra, [5, 50, 95], axis=0),
        "histogram_real": real.histograms.mean(axis=0),
        "histogram_synthetic": synthetic.histograms.mean(axis=0),
        "first_order_real": np.percentile(real.first_order, [5, 25, 50, 75, 95], axis=0),
        "first_order_synthetic": np.percentile(synthetic.first_order, [5, 25, 50, 75, 95], axis=0),
        "correlation": privacy.correlation,
        "held_out": privacy.held_out,
        "limit": np.array(privacy.limit),
    }
    arrays |= _samples(real, synthetic, grid, rng)
    arrays |= _map(real, synthetic, rng, seed)
    if privacy.pictures is not None:
        arrays["pairs"] = _bytes(privacy.pictures)
    return arrays


def _samples(real: ImageSetFeatures, synthetic: ImageSetFeatures, grid: Grid, rng: np.random.Generator) -> Arrays:
    """Return ``(images, stacks, slices, channels, rows, columns)`` of random images of each set."""
    count = _SAMPLES if grid.spatial_dims == 2 else _VOLUMES
    found = {}
    for described in (real, synthetic):
        chosen = np.sort(rng.permutation(len(described.planes))[:count])
        found[f"samples_{described.planes.name}"] = _bytes(described.planes.pixels[chosen])
    return found


def _bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.asarray(pixels, dtype=np.float32) * 255).astype(np.uint8)


def _map(real: ImageSetFeatures, synthetic: ImageSetFeatures, rng: np.random.Generator, seed: int) -> Arrays:
    """Return two coordinates per image: UMAP where it is installed, else the first two principal components."""
    from importlib.util import find_spec

    parts = []
    for described in (real, synthetic):
        chosen = np.sort(rng.permutation(len(described.planes))[:_POINTS])
        parts.append(described.embedding[chosen])
    rows = np.concatenate(parts)
    if find_spec("umap"):
        from umap import UMAP

        points, method = UMAP(random_state=seed).fit_transform(rows), "UMAP"
    else:
        centred = rows - parts[0].mean(axis=0)
        axes = np.linalg.svd(parts[0] - parts[0].mean(axis=0), full_matrices=False)[2][:2]
        points, method = centred @ axes.T, "principal components of the real images"
    return {
        "map_real": points[: len(parts[0])],
        "map_synthetic": points[len(parts[0]) :],
        "map_method": np.array(method),
    }
