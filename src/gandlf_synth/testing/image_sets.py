"""Made-up sets of images for the checker of set metrics: good ones, and ones with something wrong."""

from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.first_order import first_order
from gandlf_synth.metrics.histogram import histograms
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.spectrum import radial_spectrum

Kind = Literal["train", "real", "alike", "noise", "repeated", "copied"]
"""Training images, other real ones, and synthetic ones: as good as real, noise, one of them repeated, copies."""

NUM_IMAGES = 72
"""More than the 64 features that are compared, below which a Fréchet distance is refused."""
_SIDE = 32
_CLASSES = ("dark", "bright")
_SEEDS: dict[Kind, int] = {"train": 0, "real": 1, "alike": 2, "noise": 3, "repeated": 4, "copied": 0}

Pixels = NDArray[np.float32]


def image_sets(synthetic: Kind, *, alone: bool = False) -> ImageSets:
    """Return sets to compare.

    Args:
        synthetic: what is judged.
        alone: leave out the training images and the classes.

    Example:
        >>> sets = image_sets("noise")
        >>> sets.synthetic.pixels.shape
        (72, 1, 1, 1, 32, 32)
    """
    labeled = not alone
    real, judged = (image_set(kind, labeled=labeled) for kind in ("real", synthetic))
    return ImageSets(real=real, synthetic=judged, train=None if alone else image_set("train"))


def few_image_sets() -> ImageSets:
    """Return the smallest sets that an evaluation takes."""
    return ImageSets(real=image_set("real", 4, labeled=False), synthetic=image_set("alike", 2, labeled=False))


def volume_sets() -> ImageSets:
    """Return sets of volumes, cut along three directions."""
    return ImageSets(real=image_set("real", 8, 3, 2), synthetic=image_set("alike", 8, 3, 2))


@cache
def image_set(
    kind: Kind, count: int = NUM_IMAGES, stacks: int = 1, slices: int = 1, *, labeled: bool = True
) -> ImageSetFeatures:
    """Return a set with everything that metrics need of it."""
    pixels = _pixels(kind, count, stacks, slices)
    planes = pixels.reshape(-1, *pixels.shape[3:])
    features = build_extractor("random-conv")(torch.from_numpy(planes)).numpy()
    names = [f"{kind}_{place}" for place in range(count)]
    labels = [_CLASSES[place % len(_CLASSES)] for place in range(count)] if labeled else None
    return ImageSetFeatures(
        name=kind if kind in ("train", "real") else "synthetic",
        pixels=pixels.astype(np.float16),
        features=features.reshape(count, stacks, slices, -1),
        histograms=_per_image(histograms(planes), count),
        spectra=_per_image(radial_spectrum(planes), count),
        first_order=_per_image(first_order(planes), count),
        subjects=np.array(names),
        labels=labels,
        files=tuple(f"{name}.png" for name in names),
        content=tuple(names),
    )


def _per_image(statistics: NDArray[np.floating], count: int) -> Pixels:
    means: Pixels = statistics.reshape(count, -1, *statistics.shape[1:]).mean(axis=1).astype(np.float32)
    means.setflags(write=False)
    return means


def _pixels(kind: Kind, count: int, stacks: int, slices: int) -> Pixels:
    """Return ``(count, stacks, slices, 1, side, side)``: heads with spots, whose brightness is their class."""
    rng = np.random.default_rng(_SEEDS[kind])
    shape = (count, stacks, slices, 1, _SIDE, _SIDE)
    if kind == "noise":
        return rng.random(shape, dtype=np.float32)
    planes = [_head(rng, bright=place // (stacks * slices) % 2 == 1) for place in range(count * stacks * slices)]
    images = np.stack(planes).astype(np.float32).reshape(shape)
    return np.repeat(images[:1], count, axis=0) if kind == "repeated" else images


def _head(rng: np.random.Generator, *, bright: bool) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    head = (x**2 + y**2 < rng.uniform(0.6, 0.9)) * (0.6 if bright else 0.3)
    spots = np.zeros_like(x)
    for row, column in rng.uniform(-0.7, 0.7, (6, 2)):
        spots += rng.uniform(-0.4, 0.4) * np.exp(-((x - row) ** 2 + (y - column) ** 2) / 0.03)
    noisy: NDArray[np.float64] = head * (1 + spots) + rng.normal(0, 0.02, head.shape) * (head > 0)
    return noisy.clip(0, 1)
