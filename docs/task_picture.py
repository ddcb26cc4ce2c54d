"""Draws the picture of the eight tasks; ``python docs/task_picture.py`` writes ``docs/images/tasks.png``.

Every image is a slice of the MNI152 template of nilearn's wheel, or computed from one: the picture shows what goes in
and what is asked for, and nothing that a model made.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from gandlf_synth.demo.brain_slices import Slice, slices_with_tissue

_TILE, _GAP, _TEXT, _ARROW = 92, 4, 20, 26
_WIDTH = 3 * _TILE + _ARROW + 5 * _GAP
Tile = NDArray[np.uint8]


def draw_tasks(path: Path) -> None:
    """Write the picture: for each task a title, what goes in, an arrow, and what is asked for."""
    slices = slices_with_tissue()
    whole = slices[len(slices) // 2]
    other = slices[len(slices) // 2 + 12]
    t1, tissue, contrast = whole.t1, _labels(whole), _other_contrast(whole)
    tasks: list[tuple[str, Sequence[Tile], Tile]] = [
        ("one contrast from another", [t1], contrast),
        ("the same without pairs", [other.t1], contrast),
        ("whichever sequence is missing", [t1, np.zeros_like(t1)], contrast),
        ("an image for a mask", [tissue], t1),
        ("a region made anew", [_with_hole(t1)], t1),
        ("finer from coarse", [_coarse(t1)], t1),
        ("a given age, sex or score", [_text(t1.shape, "age 70")], t1),
        ("several at once", [tissue, _text(t1.shape, "class 2")], t1),
    ]
    height = _TILE + _TEXT + _GAP
    sheet = Image.new("RGB", (2 * _WIDTH, 4 * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for number, (title, inputs, target) in enumerate(tasks):
        left, top = _GAP + number % 2 * _WIDTH, _GAP + number // 2 * height
        draw.text((left, top), f"{number + 1}. {title}", fill="black", font=font)
        for image in inputs:
            sheet.paste(_tile(image), (left, top + _TEXT))
            left += _TILE + _GAP
        middle = top + _TEXT + _TILE // 2
        draw.line([(left, middle), (left + _ARROW - 6, middle)], fill="black", width=2)
        tip = left + _ARROW - 2
        draw.polygon([(tip, middle), (tip - 7, middle - 5), (tip - 7, middle + 5)], fill="black")
        sheet.paste(_tile(target), (left + _ARROW + _GAP, top + _TEXT))
    sheet.save(path, optimize=True)


def _tile(image: Tile) -> Image.Image:
    """Return an image upright, in a square."""
    upright = Image.fromarray(np.ascontiguousarray(np.rot90(image)))
    upright.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
    square = Image.new("L", (_TILE, _TILE))
    square.paste(upright, ((_TILE - upright.width) // 2, (_TILE - upright.height) // 2))
    return square


def _labels(brain: Slice) -> Tile:
    return np.asarray(brain.tissue * 110, np.uint8)


def _other_contrast(brain: Slice) -> Tile:
    """Return the head with grey matter bright and white matter dark, as in T2."""
    shades = np.select([brain.tissue == 1, brain.tissue == 2], [190.0, 110.0], 255.0 - brain.t1)
    return np.where(brain.t1 > 12, ndimage.gaussian_filter(shades, 0.8), 0).astype(np.uint8)


def _with_hole(image: Tile) -> Tile:
    hole = image.copy()
    rows, columns = (length // 2 for length in image.shape)
    hole[rows - 5 : rows + 45, columns + 5 : columns + 55] = 0
    return hole


def _coarse(image: Tile) -> Tile:
    """Return the means of eight by eight pixels."""
    step = 8
    means = ndimage.uniform_filter(image.astype(np.float64), step)[step // 2 :: step, step // 2 :: step]
    return np.kron(means, np.ones((step, step))).astype(np.uint8)


def _text(shape: tuple[int, ...], text: str) -> Tile:
    board = Image.new("L", (shape[0], shape[1]), 40)
    font = ImageFont.load_default(38)
    ImageDraw.Draw(board).text((shape[0] // 2, shape[1] // 2), text, fill=255, font=font, anchor="mm")
    return np.asarray(np.rot90(np.asarray(board), -1))


if __name__ == "__main__":
    draw_tasks(Path(__file__).parent / "images" / "tasks.png")
