"""Whether the images of a row show the same place: how far one is shifted against the other."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.checks import Finding
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import counted
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress

_LONGEST_SIDE = {2: 192, 3: 112}
"""Voxels along the longest axis of what is compared."""
_LEAST_SHIFT = 2.0
"""Voxels of what is compared from which a shift is told."""
_LEAST_GAIN = 0.05
"""By how much the shifted images must agree better than they lie, as a correlation."""
_LEAST_AGREEMENT = 0.2
"""Correlation of edges below which nothing can be said: the images show different things."""


@dataclass(frozen=True)
class Shift:
    """How one image lies against another.

    Args:
        length: mm, or voxels where the files state no size.
        agreement: correlation of the edges as they lie.
        best: their correlation when shifted.
    """

    length: float
    agreement: float
    best: float

    @property
    def is_plain(self) -> bool:
        """Whether the images are shifted beyond doubt."""
        return self.length > 0 and self.best >= _LEAST_AGREEMENT and self.best - self.agreement >= _LEAST_GAIN


def measure_shift(fixed: NDArray[np.float32], moving: NDArray[np.float32], spacing: Sequence[float]) -> Shift:
    """Return by how much ``moving`` is shifted against ``fixed``, from where their edges agree best.

    Edges are where two contrasts of one anatomy agree. Rotations and deformations are only seen as far as they shift.

    Args:
        fixed: ``(*shape)``.
        moving: on the same grid.
        spacing: the length of a voxel along each axis.

    Example:
        >>> image = np.zeros((32, 32), np.float32)
        >>> image[8:20, 10:24] = 1
        >>> shift = measure_shift(image, -np.roll(image, 5, axis=0), (2.0, 2.0))
        >>> shift.length, shift.is_plain
        (10.0, True)
    """
    from scipy import fft, ndimage

    step = max(1, -(-max(fixed.shape) // _LONGEST_SIDE[fixed.ndim]))
    edges = []
    for image in (fixed, moving):
        strength = ndimage.gaussian_gradient_magnitude(image.astype(np.float64), step)
        strength = np.minimum(strength, np.percentile(strength, 99))
        small = strength[tuple(slice(None, None, step) for _ in strength.shape)]
        centred = small - small.mean()
        edges.append(centred / (np.linalg.norm(centred) or 1.0))
    size = [fft.next_fast_len(2 * length) for length in edges[0].shape]
    spectra = [fft.rfftn(edge, size) for edge in edges]
    agreement = fft.irfftn(spectra[1] * np.conj(spectra[0]), size)
    best = np.unravel_index(int(agreement.argmax()), agreement.shape)
    moved = np.array(
        [place if place <= length // 2 else place - length for place, length in zip(best, size, strict=True)]
    )
    length = float(np.linalg.norm(moved * step * np.array(spacing))) if np.abs(moved).max() >= _LEAST_SHIFT else 0.0
    return Shift(length, float(agreement.flat[0]), float(agreement[best]))


def misregistered(manifests: Sequence[Manifest], scans: Scans, progress: Progress = no_progress) -> list[Finding]:
    """Return the rows whose images are shifted against one another, of rows with sources.

    Args:
        manifests: the splits.
        scans: of every file; rows with unusable ones are left out.
        progress: shows how far it is.
    """
    rows = [
        (manifest, sample)
        for manifest in manifests
        for sample in manifest.samples
        if any(sample.sources) and sample.channels and not any(scans[path].problem for path in sample.images.values())
    ]
    with ThreadPoolExecutor(usable_cores()) as pool:
        found = pool.map(lambda row: list(_shifted(*row)), rows)
        return [finding for findings in progress(found, len(rows), "Comparing pairs") for finding in findings]


def _shifted(manifest: Manifest, sample: Sample) -> Iterator[Finding]:
    try:
        images = {name: read_image(path) for name, path in sample.images.items()}
    except UnreadableError:
        return
    names = list(sample.named_files)
    for first, second in combinations(images, 2):
        if not second.startswith("Source"):
            continue
        grid = images[first].geometry
        spacing = grid.spacing if grid.physical else (1.0,) * grid.spatial_dims
        shift = measure_shift(images[first].array.mean(axis=0), images[second].array.mean(axis=0), spacing)
        if shift.is_plain:
            unit = f"{shift.length:.1f} mm" if grid.physical else counted(round(shift.length), "voxel")
            what = f"is shifted by about {unit} against {first}; register the images of a row to one another"
            where = manifest.where(sample, names.index(second))
            yield Finding("warning", "misregistered", where, what, str(manifest.path), sample.row)
