"""Whole volumes of all sets on one cube, for extractors that look at them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.data.processing.transforms.spatial import ToCanonical
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.evaluation.pixels import read_pixels, read_sample
from gandlf_synth.evaluation.planes import Grid, PlaneSet, to_unit
from gandlf_synth.metrics.volumes import on_cube
from gandlf_synth.provenance import digest

_VERSION = 1

STACK = "volume"


def read_volumes(planes: PlaneSet, grid: Grid, side: int, cache: Path, progress: Progress) -> PlaneSet:
    """Return the set of ``planes`` with whole volumes as its pixels, ``(n, 1, 1, channels, *cube)``.

    A volume is the one slice of one stack. The cube has ``side`` voxels a side, or fewer where the grid has, so that no
    set gains detail over another.

    Raises:
        ResourceError: the disk is full.
    """
    side = min(side, *grid.size)
    key = digest([_VERSION, STACK, side, grid.column_channels, grid.low, grid.high, planes.content])
    shape = (1, 1, sum(grid.column_channels), side, side, side)

    def read(sample: Sample) -> NDArray[np.float16]:
        return to_cube(read_sample(sample, grid.column_channels), grid, side)[None, None]

    path = cache / "evaluation" / f"volumes-{key}.npy"
    pixels = read_pixels(path, planes.samples, shape, read, progress, f"volumes of {planes.name}")
    return replace(planes, pixels=pixels, key=key)


def to_cube(image: Image, grid: Grid, side: int) -> NDArray[np.float16]:
    """Return a volume in [0, 1] and RAS+ on a cube, ``(channels, side, side, side)``."""
    upright = ToCanonical()(image.with_values(to_unit(image.array, grid))).array
    cube = on_cube(torch.from_numpy(np.ascontiguousarray(upright))[None], side)[0]
    return cube.clamp(0, 1).numpy().astype(np.float16)
