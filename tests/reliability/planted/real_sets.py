"""Real images in which flaws are planted: three sets from packages, and those that lie beside the project."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from benchmarks.data import SHARED
from PIL import Image
from scipy import ndimage

Array = np.ndarray
Images = list[Array]
_ONE_PICTURE = 0.97
"""Correlation from which two images are one slice: neighboring ones of a patient lie below."""


@dataclass(frozen=True)
class Labeled:
    """Images with their classes.

    Args:
        images: each ``(rows, columns)``, ``(rows, columns, 3)`` or, in 3D, ``(i, j, k)``.
        labels: the class of each.
    """

    images: Images
    labels: list[str]

    def take(self, places: Sequence[int]) -> "Labeled":
        return Labeled([self.images[place] for place in places], [self.labels[place] for place in places])

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class RealSet:
    """A set of real images.

    Args:
        name: of the set.
        pool: all its images.
        one_sided: whether left and right can be told apart in it.
        standing_alone: whether it is built from packages that are installed.
        on_background: whether something dark surrounds what is shown.
    """

    name: str
    pool: Labeled
    one_sided: bool
    standing_alone: bool
    on_background: bool

    def split(self, seed: int, most: int = 70) -> tuple[Labeled, Labeled, Labeled]:
        """Return real images, others to make synthetic ones of, and others to train on."""
        order = np.random.default_rng(seed).permutation(len(self.pool))
        size = min(len(order) // 3, most)
        real, other, train = (self.pool.take(order[k * size : (k + 1) * size]) for k in range(3))
        return real, other, train


@cache
def brains(side: int = 64, count: int = 210) -> RealSet:
    """Sagittal slices of the MNI152 brain, each deformed, brightened and noisy in its own way, int16."""
    from nilearn.datasets import load_mni152_template

    volume = np.asarray(load_mni152_template(resolution=2).dataobj, dtype=np.float32)
    rng = np.random.default_rng(0)
    middle, images, labels = volume.shape[0] // 2, [], []
    for _ in range(count):
        offset = int(rng.integers(2, 31))
        plane = volume[middle + offset].T[::-1]
        images.append(_person(plane / volume.max(), rng, side))
        labels.append("medial" if offset < 15 else "lateral")
    return RealSet("brains", Labeled(images, labels), one_sided=True, standing_alone=True, on_background=True)


def _person(plane: Array, rng: np.random.Generator, side: int) -> Array:
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j] * rng.uniform(0.92, 1.08, (2, 1, 1))
    angle = rng.uniform(-0.1, 0.1)
    places = np.stack([rows * np.cos(angle) - columns * np.sin(angle), rows * np.sin(angle) + columns * np.cos(angle)])
    bends = np.stack([ndimage.gaussian_filter(rng.normal(size=(side, side)), side / 8) for _ in range(2)])
    places += 0.05 * bends / bends.std() + rng.uniform(-0.04, 0.04, (2, 1, 1))
    half = np.array(plane.shape)[:, None, None] / 2
    values = ndimage.map_coordinates(plane, places * max(half.ravel()) + half, order=1)
    values = values * rng.uniform(0.85, 1.0) * (1 + 0.1 * columns * rng.uniform(-1, 1))
    values += rng.normal(0, rng.uniform(0.008, 0.016), values.shape) * (values > 0.02)
    return (values.clip(0, 1.2) * 3000).astype(np.int16)


def _tiles(picture: Array, side: int, kept: Callable[[Array], bool]) -> Images:
    rows, columns = (length // side for length in picture.shape[:2])
    tiles = [picture[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(rows) for c in range(columns)]
    return [tile for tile in tiles if kept(tile)]


def _halves_by(score: Callable[[Array], float], images: Images, high: str, low: str) -> list[str]:
    scores = np.array([score(image) for image in images])
    return [high if above else low for above in scores > np.median(scores)]


@cache
def stains() -> RealSet:
    """Tiles of a picture of stained tissue, RGB."""
    from skimage import data

    images = _tiles(data.immunohistochemistry(), 32, lambda _: True)
    labels = _halves_by(lambda tile: float(tile[..., 2].mean()), images, "pale", "stained")
    return RealSet("stains", Labeled(images, labels), one_sided=False, standing_alone=True, on_background=False)


@cache
def retina() -> RealSet:
    """Tiles of the green channel of a picture of the eye's background."""
    from skimage import data

    images = _tiles(np.asarray(data.retina()[..., 1]), 48, lambda tile: np.percentile(tile, 1) > 30)
    labels = _halves_by(lambda tile: float(tile.std()), images, "vessels", "plain")
    return RealSet("retina", Labeled(images, labels), one_sided=False, standing_alone=True, on_background=False)


def _pictures(
    name: str, classes: Sequence[str], each: int, side: int, mode: str = "L", one_per_folder: bool = False
) -> Labeled:
    images, labels = [], []
    for kind in classes:
        paths = sorted(
            [*(SHARED / name / "train" / kind).rglob("*.png"), *(SHARED / name / "train" / kind).rglob("*.j*")]
        )
        if one_per_folder:
            paths = list({path.parent: path for path in reversed(paths)}.values())[::-1]
        for path in paths[:each]:
            images.append(np.asarray(Image.open(path).convert(mode).resize((side, side), Image.Resampling.BOX)))
            labels.append(kind)
    return Labeled(images, labels)


@cache
def x_rays() -> RealSet:
    """Chests of children, 28 pixels a side, with the heart on one side."""
    pool = _pictures("pneumonia_xray_2d", sorted(_folders("pneumonia_xray_2d")), 120, 28)
    return RealSet("x-rays", pool, one_sided=True, standing_alone=False, on_background=False)


@cache
def tumors() -> RealSet:
    """Brain MRI in mixed planes, in four classes; the collection holds slices twice, turned or mirrored, and they are one.

    Copies among real images are found rightly, and would stand where nothing is planted.
    """
    pool = _pictures("brain_tumor_mri_2d", sorted(_folders("brain_tumor_mri_2d")), 70, 96)
    return RealSet("tumors", _without_copies(pool), one_sided=False, standing_alone=False, on_background=True)


def _without_copies(pool: Labeled) -> Labeled:
    """Return the square images that correlate with none before them, whichever way either is turned or mirrored."""
    ways = [np.rot90(side, turns, (1, 2)) for side in _and_mirrored(np.stack(pool.images)) for turns in range(4)]
    own, *others = (_scaled(way.reshape(len(pool), -1)) for way in ways)
    alike = np.max([own @ other.T for other in (own, *others)], axis=0)
    kept: list[int] = []
    for place in range(len(pool)):
        if not kept or alike[place, kept].max() < _ONE_PICTURE:
            kept.append(place)
    return pool.take(kept)


def _and_mirrored(images: Array) -> tuple[Array, Array]:
    return images, images[:, :, ::-1]


def _scaled(rows: Array) -> Array:
    centered = rows - rows.mean(axis=1, keepdims=True)
    return centered / np.linalg.norm(centered, axis=1, keepdims=True)


@cache
def histology() -> RealSet:
    """Tissue of the colon, with and without tumor, RGB; the two copies of a tile that the collection made are one."""
    classes = sorted(_folders("colon_histology_rgb_2d"))
    pool = _pictures("colon_histology_rgb_2d", classes, 110, 64, "RGB", one_per_folder=True)
    return RealSet("histology", pool, one_sided=False, standing_alone=False, on_background=False)


@cache
def hippocampi() -> RealSet:
    """Volumes of hippocampi with wild intensities; the classes are large and small ones."""
    paths = sorted((SHARED / "hippocampus_mri_3d").glob("*/image.nii.gz"))[:150]
    images = [np.asarray(nib.load(path).dataobj, dtype=np.float32) for path in paths]
    labels = _halves_by(lambda volume: float(volume.size), images, "large", "small")
    return RealSet("hippocampi", Labeled(images, labels), one_sided=False, standing_alone=False, on_background=False)


def _folders(name: str) -> list[str]:
    return [path.name for path in (SHARED / name / "train").iterdir() if path.is_dir()]


STANDING_ALONE: dict[str, Callable[[], RealSet]] = {"brains": brains, "stains": stains, "retina": retina}
BESIDE: dict[str, tuple[str, Callable[[], RealSet]]] = {
    "x-rays": ("pneumonia_xray_2d", x_rays),
    "tumors": ("brain_tumor_mri_2d", tumors),
    "histology": ("colon_histology_rgb_2d", histology),
    "hippocampi": ("hippocampus_mri_3d", hippocampi),
}
REAL_SETS = STANDING_ALONE | {name: make for name, (folder, make) in BESIDE.items() if Path(SHARED / folder).is_dir()}
