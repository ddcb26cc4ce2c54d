"""What a network sees of a stored image, and what it must be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import storages as stored
from tests.storages import HIGHEST, TURNS, Scan, Voxels, as_picture

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import NUMBER_TYPES as WRITTEN_TYPES
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Sample

SCAN = stored.make_scan()
PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
STEPS = (
    Step(name="to_canonical"),
    Step(name="rescale", parameters={"in_min_max": [0, HIGHEST], "out_min_max": [-1, 1]}),
)
Write = Callable[[Path], Path]
Case = tuple[str, Write]


def prepared(path: Path, channels: int = 1) -> Image:
    """Return what a network sees of a file that is the only channel of a row."""
    return Pipeline(STEPS, (channels,), None)(Sample(1, "s", (path,)))


def check_values(image: Image, expected: Voxels, tolerance: float = 1e-6) -> None:
    assert image.array.shape == (1, *expected.shape)
    assert image.dtype in WRITTEN_TYPES
    assert np.allclose(image.array[0], expected.astype(np.float64) / HIGHEST * 2 - 1, atol=tolerance)


def check_volume(image: Image, expected: Scan = SCAN, *, placed: bool = True, tolerance: float = 1e-6) -> None:
    check_values(image, expected.voxels, tolerance)
    if placed:
        assert image.geometry.physical
        assert np.allclose(image.geometry.affine, expected.affine, atol=1e-4)


def check_slice(image: Image, expected: Scan, axis: int, *, placed: bool = True) -> None:
    """Check a slice of ``expected``, which is in R, A, S: it must come out as a screen shows it."""
    check_values(image, as_picture(expected, axis).T)
    if not placed:
        return
    assert image.geometry.physical
    kept = [other for other in range(3) if other != axis]
    laid = expected.slice(axis).turned(((*kept, axis), (True, True, False)))
    assert np.allclose(image.geometry.affine[:3, [0, 1, 3]], laid.affine[:3, [0, 1, 3]], atol=1e-4)


_OFTEN = 5
"""Every so many turns is tried in the quick suite, which makes all orders and directions appear."""


def turns(writers: dict[str, Callable[..., Path]]) -> list[Any]:
    """Return every writer with every order and direction of axes; most of them are for the slow suite."""
    return [
        pytest.param(
            write,
            turn,
            id=f"{name} {turn[0]} {''.join('-' if flip else '+' for flip in turn[1])}",
            marks=() if index % _OFTEN == 0 else pytest.mark.slow,
        )
        for name, write in writers.items()
        for index, turn in enumerate(TURNS)
    ]
