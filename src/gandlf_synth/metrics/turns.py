"""Images whose axes were exchanged or reversed, as where a program loses the orientation of a file.

A search under ``FLIPS`` is costly, because every flip is combined with shifts, rotations and zooms. Together with the
turns here the flips are all ways in which the axes can lie, 8 in 2D and 48 in 3D; under a turn, images are compared
as they are.
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.metrics.detail import FLIP_NAMES, FLIPS, Pixels, flipped, mirror, resize_images, standardized

_LIKELY = 0.8
"""Correlation of small pictures from which an image may be a turned one."""

Turn = tuple[tuple[int, ...], bool]
"""The order of the axes, and whether the middle one of a volume is reversed afterwards."""
TURNS: dict[int, tuple[Turn, ...]] = {
    2: tuple((order, False) for order in permutations(range(2))),
    3: tuple((order, back) for order in permutations(range(3)) for back in (False, True)),
}
"""By dimensions; the first changes nothing."""
_BODY_AXES = ("left-right", "front-back", "up-down")


def turned(images: Tensor, turn: int) -> Tensor:
    """Return ``images (n, *shape)`` as ``TURNS`` says, in their old shape.

    >>> turned(torch.arange(4.0).reshape(1, 2, 2), 1)[0]
    tensor([[0., 2.],
            [1., 3.]])
    """
    order, back = TURNS[images.ndim - 1][turn]
    result = images.permute(0, *(axis + 1 for axis in order))
    result = result.flip(2) if back else result
    return result if result.shape == images.shape else resize_images(result, tuple(images.shape[1:]))


def turned_pixels(images: Pixels, turn: int) -> Pixels:
    """Return ``images (n, channels, *shape)`` as ``TURNS`` says, in their old shape."""
    values = torch.from_numpy(np.array(images, dtype=np.float32))
    pixels: Pixels = turned(values.flatten(0, 1), turn).reshape(values.shape).numpy()
    return pixels


def turned_planes(planes: NDArray[np.floating], turn: int, flip: int) -> NDArray[np.floating]:
    """Return planes ``(n, stacks, slices, channels, rows, columns)`` of turned and then flipped images.

    The stacks of a volume are its slices along z, y and x; the turn counts its axes in this order, too.
    """
    stacks = planes.shape[1]
    order, back = TURNS[3 if stacks > 1 else 2][turn]
    if stacks == 1:
        turned_ones = planes.swapaxes(-1, -2) if order == (1, 0) else planes
        return mirror(_resized(turned_ones, planes.shape[-2:]), FLIPS[flip])
    moved = np.stack([_stack(planes, order, axis) for axis in range(stacks)], axis=1)
    if back:
        moved[:, 0], moved[:, 2] = moved[:, 0, ..., ::-1, :].copy(), moved[:, 2, ..., ::-1].copy()
        moved[:, 1] = moved[:, 1, ::-1].copy()
    return mirror(moved, FLIPS[flip])


def _stack(planes: NDArray[np.floating], order: Sequence[int], axis: int) -> NDArray[np.floating]:
    rows, columns = (order[other] for other in range(len(order)) if other != axis)
    stack: NDArray[np.floating] = planes[:, order[axis]]
    return stack.swapaxes(-1, -2) if rows > columns else stack


def _resized(planes: NDArray[np.floating], size: tuple[int, ...]) -> NDArray[np.floating]:
    if planes.shape[-2:] == size:
        return planes
    flat = torch.from_numpy(np.array(planes, dtype=np.float32)).flatten(0, -3)
    return np.asarray(resize_images(flat, size).reshape(*planes.shape[:-2], *size).numpy())


def turn_name(dims: int, turn: int, flip: int) -> str:
    """Return what was done to the axes, in words.

    >>> turn_name(2, 1, 1), turn_name(3, 1, 0), turn_name(3, 0, 0)
    ('turned by 90°', 'mirrored front-back', 'as it is')
    """
    order, back = TURNS[dims][turn]
    if turn == 0:
        return FLIP_NAMES[flip]
    if dims == 2:
        return "turned by 90°" if flip in (1, 2) else "rows and columns exchanged"
    sides = [
        name for name, mirrored in zip(_BODY_AXES, (FLIPS[flip][0], back, FLIPS[flip][1]), strict=True) if mirrored
    ]
    words = ["axes exchanged"] if order != (0, 1, 2) else []
    return ", ".join([*words, *([f"mirrored {' and '.join(sides)}"] if sides else [])])


def likely_turns(thumbs: Tensor, known: Tensor, barred: Tensor | None) -> NDArray[np.int64]:
    """Return under which turn each image is like one of the ``known`` ones, 0 where under none, ``(n,)``.

    Args:
        thumbs: detail of the images in small, ``(n, *shape)``.
        known: one row of each known image.
        barred: pairs that are left out, ``(n, known)``.
    """
    scores = torch.stack([_nearest(turned(thumbs, k), known, barred) for k in range(len(TURNS[thumbs.ndim - 1]))])
    best, turn = scores.max(dim=0)
    likely: NDArray[np.int64] = torch.where(best > _LIKELY, turn, 0).cpu().numpy()
    return likely


def _nearest(thumbs: Tensor, known: Tensor, barred: Tensor | None) -> Tensor:
    best = torch.zeros(len(thumbs)).to(thumbs)
    for flip in range(len(FLIPS)):
        scores = (standardized(flipped(thumbs, flip)) @ known.T).abs_()
        if barred is not None:
            scores[barred] = 0
        best = torch.maximum(best, scores.amax(dim=1))
    return best
