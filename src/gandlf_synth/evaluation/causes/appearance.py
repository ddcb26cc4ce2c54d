"""How images look, in a few groups of numbers, and how far two sets lie apart in each group.

The groups are chosen so that different flaws move different ones: brightness moves the grey values, blur the spectrum,
mirroring the layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from gandlf_synth.metrics.image_set import ImageSetFeatures
from gandlf_synth.metrics.intervals import Floats, Indices, Subjects, members
from gandlf_synth.metrics.spectrum import radial_spectrum

Planes = NDArray[np.float32]
"""``(n, planes, channels, rows, columns)`` in [0, 1]: the middle slice of every stack."""
Groups = Mapping[str, Floats]
"""Per group of numbers, ``(n, dimension)``."""

_THUMBNAIL = 8
_RINGS = 16
_LARGEST = 128
"""Pixels a side in which fine detail is looked at; larger planes are cut to their middle."""
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_BLOCK = 4
WAVES = ((1, 1), (0, 1), (1, 0))
"""Whether a pattern of two pixels alternates along rows and columns."""
_SMALLEST_SCALE = {
    "spectrum": 1.0,
    "local contrast": 0.05,
    "grey values": 0.03,
    "layout": 0.15,
    "extremes": 0.1,
    "grid": 0.2,
}
"""Per group, the spread below which real images count as alike: dB, decades, shares of the range, norms, decades."""


def middle_planes(images: ImageSetFeatures, chosen: Indices) -> Planes:
    """Return the middle slice of every stack of the ``chosen`` images."""
    middle = images.pixels.shape[2] // 2
    planes: Planes = np.asarray(images.pixels[chosen][:, :, middle], dtype=np.float32)
    return planes


def describe(planes: Planes) -> dict[str, Floats]:
    """Return how every image looks.

    >>> sorted(describe(np.zeros((2, 1, 1, 16, 16), np.float32)))
    ['extremes', 'grey values', 'grid', 'layout', 'local contrast', 'spectrum']
    """
    n, count = planes.shape[:2]
    flat = planes.reshape(n * count, *planes.shape[2:])
    fine = _middle(flat)
    grey = fine.mean(axis=1)
    parts = {
        "spectrum": radial_spectrum(grey[:, None], _RINGS),
        "local contrast": _local_contrast(grey),
        "grey values": _grey_values(flat),
        "layout": layout(flat),
        "extremes": _extremes(flat),
        "grid": _grid(flat),
    }
    return {name: part.reshape(n, count * part.shape[1]) for name, part in parts.items()}


def _middle(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (max(0, length - _LARGEST) // 2 for length in planes.shape[-2:])
    return planes[..., rows : rows + _LARGEST, columns : columns + _LARGEST]


def _local_contrast(grey: Floats) -> Floats:
    """Return quantiles of the deviation within blocks, as powers of ten: the lowest is noise, the highest edges."""
    n, rows, columns = grey.shape
    side = min(_BLOCK, rows, columns)
    blocks = grey[:, : rows // side * side, : columns // side * side].reshape(
        n, rows // side, side, columns // side, side
    )
    deviations = blocks.std(axis=(2, 4)).reshape(n, -1)
    quantiles: Floats = np.log10(np.quantile(deviations, [0.1, 0.5, 0.9], axis=1).T + 1e-3)
    return quantiles


def _grey_values(planes: Floats) -> Floats:
    flat = planes.reshape(*planes.shape[:2], -1)
    values: Floats = np.quantile(flat, _QUANTILES, axis=2).transpose(1, 2, 0).reshape(len(planes), -1)
    return values


def layout(planes: NDArray[np.float32]) -> Floats:
    """Return what lies where: a small picture of each channel with mean 0 and deviation 1, ``(n, values)``."""
    side = min(_THUMBNAIL, *planes.shape[-2:])
    small = (
        functional.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(planes)), (side, side)).flatten(1).numpy()
    )
    small = small - small.mean(axis=1, keepdims=True)
    deviation = small.std(axis=1, keepdims=True)
    scaled: Floats = small / np.where(deviation > 1e-4, deviation, np.inf)
    return scaled


def _extremes(planes: NDArray[np.float32]) -> Floats:
    """Return the share of pixels at the lowest and at the highest value of each channel, as powers of ten."""
    flat = planes.reshape(*planes.shape[:2], -1)
    ends = flat.min(axis=2, keepdims=True), flat.max(axis=2, keepdims=True)
    shares = [(np.abs(flat - end) < 1 / 512).mean(axis=2) for end in ends]
    logs: Floats = np.log10(np.concatenate(shares, axis=1) + 1e-3)
    return logs


def wave(shape: tuple[int, int], along: tuple[int, int]) -> Floats:
    """Return a pattern of ±1 with a period of two pixels along the axes of which ``along`` is 1.

    >>> wave((2, 4), (0, 1)).tolist()
    [[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]
    """
    rows, columns = np.indices(shape)
    pattern: Floats = 1.0 - 2 * ((rows * along[0] + columns * along[1]) % 2)
    return pattern


def grid_strength(planes: NDArray[np.float32]) -> Floats:
    """Return how strong each of ``WAVES`` is in each plane ``(n, channels, rows, columns)``, ``(n, waves)``."""
    grey = planes.mean(axis=1)
    strengths: Floats = np.abs([(grey * wave(grey.shape[1:], along)).mean(axis=(1, 2)) for along in WAVES]).T
    return strengths


def _grid(planes: NDArray[np.float32]) -> Floats:
    logs: Floats = np.log10(grid_strength(planes) + 1e-3)
    return logs


@dataclass(frozen=True)
class Yardstick:
    """Brings groups to deviations of the real images.

    Args:
        center: per group, the mean of the real images.
        scale: per group, their deviation.
    """

    center: Groups
    scale: Groups

    @classmethod
    def of(cls, real: Groups) -> "Yardstick":
        """Return the yardstick of real images."""
        scale = {name: np.maximum(part.std(axis=0), _SMALLEST_SCALE[name]) for name, part in real.items()}
        return cls({name: part.mean(axis=0) for name, part in real.items()}, scale)

    def measure(self, groups: Groups) -> dict[str, Floats]:
        """Return the groups in deviations, each divided by the root of its dimension."""
        return {
            name: (part - self.center[name]) / self.scale[name] / np.sqrt(part.shape[1])
            for name, part in groups.items()
        }


def energy_distance(within_a: Floats, within_b: Floats, across: Floats) -> float:
    """Return the energy distance (Székely & Rizzo 2013) without bias, from distances of pairs.

    >>> same = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> energy_distance(same, same, np.full((2, 2), 3.0))
    4.0
    """
    n, m = len(within_a), len(within_b)
    return float(2 * across.mean() - within_a.sum() / (n * (n - 1)) - within_b.sum() / (m * (m - 1)))


def set_distance(a: Groups, b: Groups) -> dict[str, float]:
    """Return the energy distance of two sets in each group, in deviations."""
    from scipy.spatial.distance import cdist

    return {
        name: energy_distance(cdist(a[name], a[name]), cdist(b[name], b[name]), cdist(a[name], b[name])) for name in a
    }


def differs(a: Groups, b: Groups, a_subjects: Subjects, b_subjects: Subjects, seed: int, repeats: int = 199) -> float:
    """Return the p-value of the hypothesis that both sets are alike, by exchanging subjects."""
    from scipy.spatial.distance import cdist

    rows = {name: np.concatenate([a[name], b[name]]) for name in a}
    distances = sum(cdist(part, part) for part in rows.values())
    names = np.concatenate([np.char.add("a", a_subjects), np.char.add("b", b_subjects)])
    parts = members(names)
    rng = np.random.default_rng(seed)
    observed = _statistic(distances, np.arange(len(names)) < len(a_subjects))
    first = len(np.unique(a_subjects))
    larger = 0
    for _ in range(repeats):
        chosen = np.zeros(len(names), dtype=bool)
        for place in rng.permutation(len(parts))[:first]:
            chosen[parts[place]] = True
        larger += _statistic(distances, chosen) >= observed
    return (larger + 1) / (repeats + 1)


def _statistic(distances: Floats, first: NDArray[np.bool_]) -> float:
    """Return the energy distance; of a single image, which has no distance to others of its set, the largest."""
    if min(first.sum(), (~first).sum()) < 2:
        return float("inf")
    inside, outside = distances[np.ix_(first, first)], distances[np.ix_(~first, ~first)]
    return energy_distance(inside, outside, distances[np.ix_(first, ~first)])
