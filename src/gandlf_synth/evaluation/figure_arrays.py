"""What the figures of the report are drawn from, small enough to keep beside the numbers."""

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.metrics.detail import FLIP_NAMES
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Floats, Indices
from gandlf_synth.metrics.results import CopyPair, Measurement
from gandlf_synth.metrics.slicing import resize_planes
from gandlf_synth.metrics.turns import turned_planes

_SAMPLES = 12
_VOLUMES = 3
_FEWEST_OF_UMAP = 15
_POINTS = 600
_QUIZ = 20
_EXTREMES = 6
_THUMBNAIL = 40
_RGB = 3
QUARTILES = (25, 50, 75)
WHISKERS = (5, 25, 50, 75, 95)


def figure_arrays(sets: ImageSets, measurements: Sequence[Measurement], spatial_dims: int, seed: int) -> Arrays:
    """Return everything that the figures are drawn from.

    Sets of 60 images support a median and a middle half, and not much more: spectra and cumulative histograms are
    ``(..., 3, bins)``, their quartiles over the images.
    """
    rng = np.random.default_rng(seed)
    compared = (sets.real, sets.synthetic)
    arrays: Arrays = {}
    for images in compared:
        arrays[f"spectrum_{images.name}"] = np.percentile(images.spectra, QUARTILES, axis=0)
        cumulative = np.cumsum(images.histograms, axis=-1)
        arrays[f"cumulative_{images.name}"] = np.moveaxis(np.percentile(cumulative, QUARTILES, axis=0), 0, 1)
        arrays[f"first_order_{images.name}"] = np.percentile(images.first_order, WHISKERS, axis=0)
    for measurement in measurements:
        arrays |= measurement.arrays
    count = _SAMPLES if spatial_dims == 2 else _VOLUMES
    orders = [rng.permutation(len(images)) for images in compared]
    for images, order in zip(compared, orders, strict=True):
        chosen = np.sort(order[:count])
        arrays[f"samples_{images.name}"] = to_bytes(images.pixels[chosen])
        arrays[f"samples_place_{images.name}"] = chosen
    pairs = [pair for measurement in measurements for pair in measurement.copies]
    if spatial_dims > 2:
        arrays |= _pair_slices(pairs, sets)
    return (
        arrays | _quiz(compared, orders, rng) | _extremes(sets.synthetic, arrays["realism"]) | _map(compared, rng, seed)
    )


def to_bytes(pixels: Floats) -> NDArray[np.uint8]:
    """Return values in [0, 1] as bytes."""
    return np.rint(np.asarray(pixels, dtype=np.float32) * 255).astype(np.uint8)


def middle_planes(images: ImageSetFeatures, chosen: Indices) -> NDArray[np.uint8]:
    """Return the middle slice of every stack, side by side, ``(n, channels, rows, columns)``."""
    stacks = np.asarray(images.pixels[:, :, images.pixels.shape[2] // 2][chosen])
    return to_bytes(np.concatenate(list(np.moveaxis(stacks, 1, 0)), axis=-1))


def _quiz(compared: Sequence[ImageSetFeatures], orders: Sequence[Indices], rng: np.random.Generator) -> Arrays:
    """Return as many real as synthetic images in random order, the shown samples only where there are no others."""
    count = min(_QUIZ, *(len(images) for images in compared))
    planes = [
        middle_planes(images, np.sort(order[::-1][:count])) for images, order in zip(compared, orders, strict=True)
    ]
    order = rng.permutation(2 * count)
    return {"quiz": np.concatenate(planes)[order], "quiz_synthetic": order >= count}


def _extremes(synthetic: ImageSetFeatures, scores: Floats) -> Arrays:
    """Return the most, the typically and the least realistic images, ``(3 · n, channels, rows, columns)``."""
    order = np.argsort(-scores, kind="stable")
    count = min(_EXTREMES, len(order) // 3)
    middle = (len(order) - count) // 2
    chosen = np.concatenate([order[:count], order[middle : middle + count], order[len(order) - count :][::-1]])
    files = np.array([synthetic.files[place] for place in chosen], dtype=np.str_)
    planes = middle_planes(synthetic, chosen)
    return {"extremes": planes, "extremes_score": scores[chosen], "extremes_file": files}


def _pair_slices(pairs: Sequence[CopyPair], sets: ImageSets) -> Arrays:
    """Return all slices of every pair of volumes, ``(pairs, 2, stacks, slices, channels, rows, columns)``."""
    if not pairs:
        return {}
    reference = sets.reference
    slices = []
    for pair in pairs:
        images = sets.real if pair.held_out else sets.synthetic
        query = np.asarray(images.pixels[[images.files.index(pair.synthetic)]], dtype=np.float32)
        original = reference.pixels[reference.files.index(pair.training)]
        query = turned_planes(query, pair.turn, FLIP_NAMES.index(pair.flip))
        slices.append(to_bytes(np.stack([query[0], original])))
    return {"pair_slices": np.stack(slices)}


def _map(compared: Sequence[ImageSetFeatures], rng: np.random.Generator, seed: int) -> Arrays:
    """Return two coordinates per image: UMAP where it is installed, else the first two principal components.

    Each image has its class, its file and a small picture too.
    """
    chosen = [np.sort(rng.permutation(len(images))[:_POINTS]) for images in compared]
    real, synthetic = (images.embedding[places] for images, places in zip(compared, chosen, strict=True))
    rows = np.concatenate([real, synthetic])
    if find_spec("umap") and len(rows) > _FEWEST_OF_UMAP:
        from umap import UMAP

        points, method = UMAP(random_state=seed).fit_transform(rows), "UMAP"
    else:
        known, whose = (real, "the real") if len(real) > 2 else (rows, "all")
        axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)[2][:2]
        points, method = (rows - known.mean(axis=0)) @ axes.T, f"principal components of {whose} images"
    arrays: Arrays = {"map_real": points[: len(real)], "map_synthetic": points[len(real) :]}
    arrays["map_method"] = np.array(method)
    for images, places in zip(compared, chosen, strict=True):
        labels = images.labels or [""] * len(images)
        arrays[f"map_class_{images.name}"] = np.array([labels[place] for place in places], dtype=np.str_)
        arrays[f"map_file_{images.name}"] = np.array([images.files[place] for place in places], dtype=np.str_)
        arrays[f"map_picture_{images.name}"] = _thumbnails(images, places)
    return arrays


def _thumbnails(images: ImageSetFeatures, places: Indices) -> NDArray[np.uint8]:
    planes = np.asarray(images.pixels[:, 0, images.pixels.shape[2] // 2][places], dtype=np.float32)
    planes = planes if planes.shape[1] == _RGB else planes[:, :1]
    longest = max(planes.shape[2:])
    rows, columns = (max(1, round(length / longest * _THUMBNAIL)) for length in planes.shape[2:])
    return to_bytes(resize_planes(torch.from_numpy(planes), (rows, columns)).clamp(0, 1).numpy())
