"""What is shown at another size, in other proportions, elsewhere or turned a little."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation

_ZOOMS = (0.67, 0.8, 1.25, 1.5)
_STRETCHES = (0.67, 0.75, 0.85, 1.18, 1.35, 1.5)
_ANGLES = (-20, -10, 10, 20)
_NEAREST, _FARTHEST = 0.03, 0.3
"""Shifts that are looked for, as a share of the side."""


def placements(compared: ComparedPlanes) -> Iterator[Degradation]:
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
    rows, columns = _shift(compared.real, compared.synthetic)
    if _NEAREST < max(abs(rows), abs(columns)) < _FARTHEST:
        down, right = "down" if rows > 0 else "up", "right" if columns > 0 else "left"
        sentence = f"what is in the images lies elsewhere: {abs(rows):.0%} {down} and {abs(columns):.0%} to the {right}"
        yield Degradation("shifted", sentence, _move(np.eye(2), (-2 * columns, -2 * rows)))


def _shift(real: Planes, synthetic: Planes) -> tuple[float, float]:
    """Return by which share of the rows and of the columns the mean synthetic image lies beside the mean real one."""
    means = [part.mean(axis=(0, 1, 2)) for part in (real, synthetic)]
    spectra = [np.fft.rfft2(mean - mean.mean()) for mean in means]
    likeness = np.fft.irfft2(spectra[0].conj() * spectra[1], means[0].shape)
    place = np.unravel_index(int(likeness.argmax()), likeness.shape)
    shares = [(step / size + 0.5) % 1 - 0.5 for step, size in zip(place, likeness.shape, strict=True)]
    return float(shares[0]), float(shares[1])


def _move(matrix: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> Callable[[Planes], Planes]:
    def move(planes: Planes) -> Planes:
        flat = torch.from_numpy(np.ascontiguousarray(planes)).flatten(0, 1)
        pose = torch.from_numpy(np.column_stack([matrix, shift]).astype(np.float32)).expand(len(flat), 2, 3)
        places = functional.affine_grid(pose, list(flat.shape), align_corners=False)
        moved = functional.grid_sample(flat, places, padding_mode="border", align_corners=False)
        return np.asarray(moved.reshape(planes.shape).numpy())

    return move
