"""Images as data in the page."""

import base64
import io
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image as Picture

_RGB = 3
_GAP = 3
_SMALLEST = 96
_LARGEST = 128


def data_uri(pixels: NDArray[np.uint8]) -> Markup:
    """Return ``(rows, columns)`` or ``(rows, columns, 3)`` as a PNG in a ``data:`` address."""
    buffer = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return Markup(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")  # noqa: S704


def shown(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Return ``(channels, rows, columns)`` as one picture: grey, RGB, or the channels side by side, in a handy size."""
    pixels = plane.transpose(1, 2, 0) if len(plane) == _RGB else np.concatenate(list(plane), axis=1)
    longest = max(plane.shape[-2:])
    scale = _LARGEST / longest if longest > _LARGEST else max(1, _SMALLEST // longest)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    how = Picture.Resampling.NEAREST if scale >= 1 else Picture.Resampling.LANCZOS
    return np.asarray(Picture.fromarray(np.ascontiguousarray(pixels)).resize(size, how))


def mosaic(planes: NDArray[Any], columns: int) -> NDArray[np.uint8]:
    """Return ``(n, channels, rows, columns)`` as one picture with ``columns`` tiles a row."""
    tiles = [shown(plane) for plane in planes]
    rows, across = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    size = (lines * (rows + _GAP) - _GAP, min(columns, len(tiles)) * (across + _GAP) - _GAP, *tiles[0].shape[2:])
    sheet = np.full(size, 127, dtype=np.uint8)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (rows + _GAP), k % columns * (across + _GAP)
        sheet[top : top + rows, left : left + across] = tile
    return sheet
