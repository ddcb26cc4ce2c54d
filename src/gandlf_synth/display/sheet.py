"""Contact sheets: images tiled in labelled rows."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from gandlf_synth.files import write_bytes
from gandlf_synth.xmp import xmp_packet

_GAP = 2
_FONT_SIZE = 12
_TITLE_SIZE = 16
_COLUMNS = 12
"""The most tiles in a line; divisible by the three views of a volume."""
_LARGEST = 256
"""The longest side of a tile in pixels, unless more is asked for."""
_LETTERS = 32

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class SheetRow:
    """A row of a contact sheet.

    Args:
        title: what the images have in common; shown at the left.
        images: uint8, ``(rows, columns)`` or ``(rows, columns, 3)``.
    """

    title: str
    images: Sequence[NDArray[np.uint8]]


def contact_sheet(rows: Sequence[SheetRow], *, tile: int = 96, title: str = "", smooth: bool = False) -> Picture.Image:
    """Return the images on white, a row each, continued on further lines when it has more than twelve.

    Args:
        rows: the images with their titles.
        tile: in pixels; small images are enlarged by the largest whole factor with which all of them still fit.
        title: shown above.
        smooth: enlarge by interpolation instead of repeating pixels.
    """
    title = " ".join(title.split())
    scale = _scale(rows, tile)
    lines = [line for row in rows for line in _lines(row, scale, smooth)]
    font, large = ImageFont.load_default(_FONT_SIZE), ImageFont.load_default(_TITLE_SIZE)
    left = max((_width(name, font) for name, _ in lines if name), default=0) + 2 * _GAP
    top = _TITLE_SIZE + 4 * _GAP if title else _GAP
    heights = [max((image.height for image in images), default=_FONT_SIZE) + _GAP for _, images in lines]
    across = left + max((sum(image.width + _GAP for image in images) for _, images in lines), default=tile)
    size = (max(across, _width(title, large) + 2 * _GAP), top + sum(heights) + _GAP)
    sheet = Picture.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, fill="black", font=large)
    for (name, images), height in zip(lines, heights, strict=True):
        draw.text((_GAP, top + height // 2), name, fill="black", font=font, anchor="lm")
        start = left
        for image in images:
            sheet.paste(image, (start, top))
            start += image.width + _GAP
        top += height
    return sheet


def sized(tile: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return ``tile`` with its longest side at ``longest`` pixels; pixels that are enlarged stay visible.

    Example:
        >>> sized(np.zeros((2, 4), np.uint8), 8).shape
        (4, 8)
    """
    picture = Picture.fromarray(np.ascontiguousarray(tile))
    factor = longest / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return np.asarray(picture.resize(size, Picture.Resampling.NEAREST if factor > 1 else Picture.Resampling.BOX))


def save_png(image: Picture.Image, path: Path, *, synthetic: bool = False) -> None:
    """Write ``image`` to ``path`` as PNG, whole or not at all; ``synthetic`` ones carry the mark of it as XMP."""
    text = PngInfo()
    if synthetic:
        text.add_itxt("XML:com.adobe.xmp", xmp_packet({}))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=text)
    write_bytes(path, buffer.getvalue())


def _scale(rows: Sequence[SheetRow], tile: int) -> float:
    """Return by what all images of a sheet are enlarged, so that equal sizes stay equal."""
    longest = max((side for row in rows for image in row.images for side in image.shape[:2]), default=tile)
    return tile // longest if longest <= tile else min(1.0, max(tile, _LARGEST) / longest)


def _lines(row: SheetRow, scale: float, smooth: bool) -> Iterator[tuple[str, list[Picture.Image]]]:
    """Yield the lines of a row, the first with its title."""
    pictures = [Picture.fromarray(np.ascontiguousarray(image)).convert("RGB") for image in row.images]
    repeat = scale >= 1 and not smooth
    resampling = Picture.Resampling.NEAREST if repeat else Picture.Resampling.BICUBIC
    sized = [
        picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), resampling)
        for picture in pictures
    ]
    for start in range(0, max(len(sized), 1), _COLUMNS):
        yield "" if start else _short(row.title), sized[start : start + _COLUMNS]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _width(text: str, font: _Font) -> int:
    return round(font.getlength(text)) + _GAP
