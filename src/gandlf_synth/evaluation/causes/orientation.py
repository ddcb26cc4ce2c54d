"""Images that lie otherwise than real ones: mirrored, upside down, turned, with channels exchanged, at another size."""

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np
import torch
from torch.nn import functional

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import Degradation
from gandlf_synth.metrics.slicing import STACKS

_SIDES = (("left and right", {0: -1, 1: -1}), ("front and back", {0: -2, 2: -1}), ("top and bottom", {1: -2, 2: -2}))
"""Per body axis of a volume, the axis of each stack's planes that runs along it."""
_COLORS = 3
_ZOOMS = (0.67, 0.8, 1.25, 1.5)


def orientations(planes: Planes) -> Iterator[Degradation]:
    """Give every way in which images may lie that is not that of ``planes``."""
    if planes.shape[1] == len(STACKS):
        for ends, axes in _SIDES:
            yield Degradation("mirrored", f"images are mirrored: {ends} are exchanged", _flip(axes))
    else:
        yield Degradation("mirrored", "images are mirrored: left and right are exchanged", _flip({0: -1}))
        yield Degradation("mirrored", "images are mirrored: top and bottom are exchanged", _flip({0: -2}))
        yield Degradation("turned", "images are turned by 180°", lambda x: np.rot90(x, 2, (-2, -1)).copy())
        if planes.shape[-1] == planes.shape[-2]:
            for times, side in ((1, "left"), (3, "right")):
                yield Degradation("turned", f"images are turned by 90° to the {side}", _turn(times))
                yield Degradation(
                    "turned", f"images are turned by 90° to the {side} and mirrored", _turn(times, mirror=True)
                )
    if planes.shape[2] == _COLORS:
        for order in list(permutations(range(_COLORS)))[1:]:
            words = ", ".join(str(place + 1) for place in order)
            yield Degradation("channels", f"channels are exchanged: their order is {words}", _exchange(order))


def zooms() -> Iterator[Degradation]:
    """Give other sizes of what is in the images."""
    for factor in _ZOOMS:
        sentence = (
            f"what is in the images is shown at {factor:g} times its size: is the spacing or the field of view wrong?"
        )
        yield Degradation("size", sentence, _zoom(factor))


def _flip(axes: dict[int, int]) -> Callable[[Planes], Planes]:
    def flip(planes: Planes) -> Planes:
        flipped = planes.copy()
        for stack, axis in axes.items():
            flipped[:, stack] = np.flip(planes[:, stack], axis)
        return flipped

    return flip


def _turn(times: int, *, mirror: bool = False) -> Callable[[Planes], Planes]:
    def turn(planes: Planes) -> Planes:
        turned = np.rot90(planes, times, (-2, -1))
        return (turned[..., ::-1] if mirror else turned).copy()

    return turn


def _exchange(order: tuple[int, ...]) -> Callable[[Planes], Planes]:
    return lambda planes: planes[:, :, list(order)]


def _zoom(factor: float) -> Callable[[Planes], Planes]:
    def zoom(planes: Planes) -> Planes:
        flat = torch.from_numpy(np.ascontiguousarray(planes)).flatten(0, 1)
        matrix = torch.eye(2, 3).div(factor).expand(len(flat), 2, 3)
        places = functional.affine_grid(matrix, list(flat.shape), align_corners=False)
        zoomed = functional.grid_sample(flat, places, padding_mode="border", align_corners=False)
        return np.asarray(zoomed.reshape(planes.shape).numpy())

    return zoom
