"""What scanners do to images: shading, ghosts, ringing."""

from collections.abc import Callable, Iterator

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped
from gandlf_synth.metrics.intervals import Floats

_SLOPES = (0.2, 0.35, 0.5)
_GHOSTS = (0.12, 0.25, 0.4)
_COPIES = (2, 3, 4)
_KEPT = (0.3, 0.4, 0.45, 0.5, 0.6, 0.75)
_DARK = 0.02
"""Values below which nothing is known of the shading, as a share of the range."""


def acquisitions(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the artifacts of a scanner that may lie over the images."""
    for slope in _SLOPES:
        sentence = "brightness drifts across each image, as by a bias field (uneven sensitivity of a coil)"
        yield Degradation("shading", sentence, _shade_anyhow(slope, compared.seed))
    field = fixed_field(compared.real, compared.synthetic)
    sentence = "brightness drifts across the images, in all of them alike (shading, a bias field or vignetting)"
    for each in (field, field / field.mean()):
        yield Degradation("shading", sentence, _multiply(each), handicap=0.1)
    for weight in _GHOSTS:
        for parts in _COPIES:
            for axis, name in ((-2, "rows"), (-1, "columns")):
                sentence = f"ghosts along the {name}: a faint shifted copy lies over each image, as after motion"
                yield Degradation("ghosts", sentence, _add_ghost(weight, parts, axis))
    for kept in _KEPT:
        sentence = f"edges ring (Gibbs), as in images of which {kept:.0%} of the frequencies were kept along each axis"
        yield Degradation("ringing", sentence, _truncate(kept))


def _multiply(field: Floats) -> Callable[[Planes], Planes]:
    return lambda planes: clipped(planes * field)


def _shade_anyhow(slope: float, seed: int) -> Callable[[Planes], Planes]:
    """Return a change that makes each image brighter towards a side of its own."""

    def shade(planes: Planes) -> Planes:
        angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(planes))[:, None, None]
        rows, columns = _coordinates(planes)
        field = np.exp(slope * (rows * np.cos(angle) + columns * np.sin(angle)))
        return clipped(planes * field[:, None, None])

    return shade


def _coordinates(planes: Planes) -> tuple[Floats, Floats]:
    rows, columns = np.mgrid[-1 : 1 : planes.shape[-2] * 1j, -1 : 1 : planes.shape[-1] * 1j]
    return rows, columns


def fixed_field(real: Planes, synthetic: Planes) -> Floats:
    """Return the smooth field by which synthetic images are brighter than real ones."""
    means = [part.mean(axis=(0, 1, 2)) for part in (real, synthetic)]
    rows, columns = _coordinates(real)
    known = np.minimum(*means) > _DARK
    radius = rows**2 + columns**2
    terms = np.stack([np.ones_like(rows), rows, columns, rows**2, columns**2, rows * columns, radius**2], axis=-1)
    if known.sum() < 2 * terms.shape[-1]:
        return np.ones_like(rows)
    ratio = np.log(means[1][known] / means[0][known])
    trust = np.minimum(*means)[known]
    weights = np.linalg.lstsq(terms[known] * trust[:, None], ratio * trust, rcond=None)[0]
    field: Floats = np.exp((terms @ weights).clip(-2, 2))
    return field


def _add_ghost(weight: float, parts: int, axis: int) -> Callable[[Planes], Planes]:
    def add(planes: Planes) -> Planes:
        return clipped((1 - weight) * planes + weight * np.roll(planes, planes.shape[axis] // parts, axis))

    return add


def _truncate(kept: float) -> Callable[[Planes], Planes]:
    def truncate(planes: Planes) -> Planes:
        spectra = np.fft.fft2(planes)
        for axis in (-2, -1):
            far = np.abs(np.fft.fftfreq(planes.shape[axis])) > kept / 2
            spectra[(..., far, slice(None)) if axis == -2 else (..., far)] = 0
        return clipped(np.abs(np.fft.ifft2(spectra)))

    return truncate
