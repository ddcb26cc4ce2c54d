"""A few whole volumes, small enough for the viewer of the report."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from gandlf_synth.evaluation.grid import Grid, to_unit
from gandlf_synth.evaluation.planes import PlaneSet, read_sample
from gandlf_synth.evaluation.store import Arrays
from gandlf_synth.geometry import Affine
from gandlf_synth.metrics.results import CopyPair

_LONGEST = 96
"""Voxels along the longest axis: three to six volumes then take a few megabytes of the page."""
_COPIES = 2


def volume_arrays(
    planes: Sequence[PlaneSet], grid: Grid, samples: Sequence[Sequence[int]], copies: Sequence[CopyPair]
) -> Arrays:
    """Return the first channel of some volumes as ``volume_<k>`` with ``affine_<k>``, and their ``volume_names``.

    Args:
        planes: real and synthetic images, and training images where there are any.
        grid: says which intensities become black and white.
        samples: which real and which synthetic images.
        copies: of the flagged ones among them, both volumes of the first few.
    """
    arrays: Arrays = {}
    names = []
    for k, (name, images, place) in enumerate(_chosen(planes, samples, copies)):
        arrays[f"volume_{k}"], arrays[f"affine_{k}"] = _volume(images, place, grid.of(images.name))
        names.append(name)
    return arrays | {"volume_names": np.array(names, dtype=np.str_)}


def _chosen(
    planes: Sequence[PlaneSet], samples: Sequence[Sequence[int]], copies: Sequence[CopyPair]
) -> Iterator[tuple[str, PlaneSet, int]]:
    places = [{str(sample.channels[0]): k for k, sample in enumerate(images.samples)} for images in planes]
    reference, where = (planes[2], places[2]) if len(planes) > 2 else (planes[0], places[0])
    flagged = [pair for pair in copies if pair.flagged and pair.synthetic in places[1] and pair.training in where]
    for pair in flagged[:_COPIES]:
        yield f"copy: {pair.synthetic}", planes[1], places[1][pair.synthetic]
        yield f"its training image: {pair.training}", reference, where[pair.training]
    for images, chosen in zip(planes, samples, strict=False):
        for place in chosen:
            yield f"{images.name}: {images.samples[place].channels[0]}", images, int(place)


def _volume(images: PlaneSet, place: int, grid: Grid) -> tuple[NDArray[np.uint8], Affine]:
    image = read_sample(images.samples[place], grid)
    upright = image.with_values(to_unit(image.array, grid)).canonical()
    shape = upright.geometry.shape
    smaller = tuple(max(1, round(length * min(1.0, _LONGEST / max(shape)))) for length in shape)
    spacing = np.array(upright.geometry.spacing) * np.array(shape) / np.array(smaller)
    voxels = torch.from_numpy(upright.array[None, :1])
    if smaller != shape:
        voxels = functional.interpolate(voxels, smaller, mode="area")
    values = np.rint(voxels[0, 0].clamp(0, 1).numpy() * 255).astype(np.uint8)
    return values, upright.geometry.resampled(smaller, tuple(spacing.tolist())).affine
