"""Images as data in the page, which then needs no other file."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Raster

Pixels = NDArray[np.uint8]

_RGB = 3
_GAP = 2
_PIXELATED = 100


@dataclass(frozen=True)
class Picture:
    """A picture as an ``<img>`` takes it.

    Args:
        uri: a ``data:`` address.
        alt: what it shows, for those who do not see it.
        width, height: in pixels.
        caption: what stands below it.
    """

    uri: str
    alt: str
    width: int
    height: int
    caption: str = ""

    @property
    def kind(self) -> str:
        """How it is enlarged: small ones keep their pixels."""
        return "pixelated" if max(self.width, self.height) < _PIXELATED else "smooth"


def picture(plane: Pixels, alt: str, caption: str = "", largest: int = 192) -> Picture:
    """Return ``(channels, rows, columns)`` as a picture of at most ``largest`` pixels a channel."""
    pixels = to_pixels(plane, largest)
    return Picture(data_uri(pixels), alt, pixels.shape[1], pixels.shape[0], caption)


def sheet(planes: Pixels, alt: str, columns: int, caption: str = "", largest: int = 128) -> Picture:
    """Return ``(n, channels, rows, columns)`` as one picture with ``columns`` tiles a row."""
    pixels = mosaic([to_pixels(plane, largest) for plane in planes], columns, _GAP)
    return Picture(data_uri(pixels), alt, pixels.shape[1], pixels.shape[0], caption)


def data_uri(pixels: Pixels, form: str = "PNG") -> str:
    """Return ``(rows, columns)`` or ``(rows, columns, 3)`` as a ``data:`` address."""
    buffer = io.BytesIO()
    Raster.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=form, optimize=True)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def to_pixels(plane: Pixels, largest: int) -> Pixels:
    """Return ``(channels, rows, columns)`` as gray, RGB, or the channels side by side, no larger than ``largest``."""
    pixels = plane.transpose(1, 2, 0) if len(plane) == _RGB else np.concatenate(list(plane), axis=1)
    scale = largest / max(plane.shape[-2:])
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    resized = Raster.fromarray(np.ascontiguousarray(pixels)).resize(size, Raster.Resampling.LANCZOS)
    return np.asarray(resized)


def mosaic(tiles: list[Pixels], columns: int, gap: int = 0) -> Pixels:
    """Return pictures of one size as one, with ``columns`` of them a row and gray gaps between."""
    rows, across = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    size = (lines * (rows + gap) - gap, min(columns, len(tiles)) * (across + gap) - gap, *tiles[0].shape[2:])
    canvas = np.full(size, 127, dtype=np.uint8)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (rows + gap), k % columns * (across + gap)
        canvas[top : top + rows, left : left + across] = tile
    return canvas
