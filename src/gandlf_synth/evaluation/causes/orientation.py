"""Images that lie otherwise than real ones: mirrored, upside down, turned, with channels exchanged."""

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.metrics.slicing import STACKS

BODY_AXES = (("left and right", {0: -1, 1: -1}), ("front and back", {0: -2, 2: -1}), ("top and bottom", {1: -2, 2: -2}))
"""Per body axis of a volume, the axis of each stack's planes that runs along it."""
_MOST_CHANNELS = 4
"""Channels of which every order is tried."""


def orientations(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give every way in which images may lie that is not that of the real ones."""
    planes = compared.real
    if planes.shape[1] == len(STACKS):
        for ends, axes in BODY_AXES:
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
    if 1 < planes.shape[2] <= _MOST_CHANNELS:
        for order in list(permutations(range(planes.shape[2])))[1:]:
            words = ", ".join(str(place + 1) for place in order)
            yield Degradation("channels", f"channels are exchanged: their order is {words}", _exchange(order))


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
