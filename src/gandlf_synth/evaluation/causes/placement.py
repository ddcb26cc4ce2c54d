"""What is shown at another size, in other proportions, elsewhere or turned a little."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.metrics.intervals import Floats

_ZOOMS = (0.67, 0.8, 1.25, 1.5)
_STRETCHES = (0.67, 0.75, 0.85, 1.18, 1.35, 1.5)
_ANGLES = (-20, -10, 10, 20)
_STEPS = (0.06, 0.12, 0.2)
"""Shifts, as a share of the side."""


def placements(_: ComparedPlanes) -> Iterator[Degradation]:
    """Give other sizes, proportions, angles and places of what is in the images."""
    for factor in _ZOOMS:
        sentence = (
            f"what is in the images is shown at {factor:g} times its size: is the spacing or the field of view wrong?"
        )
        yield Degradation("size", sentence, _move(np.eye(2) / factor))
    for factor in _STRETCHES:
        for axis, side in enumerate(("wide", "high")):
            sentence = f"proportions are wrong: what is in the images is {factor:g} times as {side} as in real ones"
            yield Degradation("proportions", sentence, _move(np.diag(np.where(np.arange(2) == axis, 1 / factor, 1.0))))
    for angle in _ANGLES:
        turn = np.radians(angle)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        sentence = f"images are turned by about {abs(angle)}° to the {'left' if angle > 0 else 'right'}"
        yield Degradation("turned", sentence, _move(matrix))
    for step in _STEPS:
        for side, shift in zip(("left", "right", "higher", "lower"), ((-1, 0), (1, 0), (0, -1), (0, 1)), strict=True):
            sentence = f"what is in the images lies elsewhere: about {step:.0%} of the side {_toward(side)}"
            yield Degradation("shifted", sentence, _move(np.eye(2), [-2 * step * part for part in shift]))


def _toward(side: str) -> str:
    return side if side in ("higher", "lower") else f"to the {side}"


def _move(matrix: Floats, shift: Sequence[float] = (0.0, 0.0)) -> Callable[[Planes], Planes]:
    def move(planes: Planes) -> Planes:
        flat = torch.from_numpy(np.ascontiguousarray(planes)).flatten(0, 1)
        pose = torch.from_numpy(np.column_stack([matrix, shift]).astype(np.float32)).expand(len(flat), 2, 3)
        places = functional.affine_grid(pose, list(flat.shape), align_corners=False)
        moved = functional.grid_sample(flat, places, padding_mode="border", align_corners=False)
        return np.asarray(moved.reshape(planes.shape).numpy())

    return move
