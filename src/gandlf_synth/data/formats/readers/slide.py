"""Reads a square of a whole-slide image at a magnification: ``slide.svs#x,y,size,magnification``.

Position in pixels of the slide's full resolution, size in pixels of what is read. tiffslide reads the nearest finer
level of the pyramid, which is then scaled down to the magnification.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError
from gandlf_synth.data.formats.readers.picture import picture_image
from gandlf_synth.errors import MissingExtraError

if TYPE_CHECKING:
    from tiffslide import TiffSlide

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
_PART = re.compile(rf"([0-9]{{1,9}}),([0-9]{{1,9}}),([0-9]{{1,5}}),({_NUMBER})")
_MICRONS_AT_1 = 10.0
"""Micrometres per pixel at magnification 1; 0.25 at 40."""
_LARGEST_TILE = 8192
MOST_READ = 2**28
"""Pixels that may be read of the pyramid for one tile, where a level between is missing."""

logging.getLogger("tiffslide").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Tile:
    """A square of a slide.

    Args:
        x, y: its upper left corner, in pixels of the full resolution.
        size: the length of its sides, in pixels of what is read.
        magnification: of what is read.
    """

    x: int
    y: int
    size: int
    magnification: float

    def __str__(self) -> str:
        """Return what a CSV cell says of it after ``#``."""
        return f"{self.x},{self.y},{self.size},{self.magnification:g}"


class SlideReader(Reader):
    """Reads ``.svs`` and other slides that tiffslide knows; pyramidal ``.tif`` comes here through a tile's name."""

    suffixes = (".svs", ".ndpi", ".scn", ".bif")
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the square that ``part`` names, RGB, ``(3, column, row)``.

        Raises:
            UnreadableError: damaged, beyond the slide, finer than it was scanned, or a whole slide, which fits in no
                memory.
        """
        if not part:
            raise _whole_slide(path)
        tile = parse_tile(part)
        if tile is None:
            raise UnreadableError(f"names no patch (#{part})", "#x,y,size,magnification, as in #2048,1024,256,10")
        with opened_slide(path) as slide:
            return _read_tile(slide, tile)


def _whole_slide(path: Path) -> UnreadableError:
    with opened_slide(path) as slide:
        width, height = slide.dimensions
    fix = "write patches with construct-csv --patch-size 256 --magnification 10"
    return UnreadableError(f"is a whole slide of {width:,} × {height:,} pixels", "slide#x,y,size,magnification", fix)


def parse_tile(part: str) -> Tile | None:
    """Return the tile that a cell names, or None when it names something else.

    Example:
        >>> parse_tile("2048,1024,256,10")
        Tile(x=2048, y=1024, size=256, magnification=10.0)
    """
    match = _PART.fullmatch(part)
    if not match:
        return None
    return Tile(int(match[1]), int(match[2]), int(match[3]), float(match[4]))


@contextmanager
def opened_slide(path: Path) -> Iterator["TiffSlide"]:
    """Yield the ``tiffslide.TiffSlide`` in a file.

    Raises:
        UnreadableError: it is none, or damaged; also when reading from it fails.
        MissingExtraError: tiffslide is not installed.
    """
    try:
        import tiffslide
    except ImportError as error:
        raise MissingExtraError("reading whole-slide images", "tiffslide", "wsi") from error
    try:
        with tiffslide.TiffSlide(path) as slide:
            yield slide
    except (*DAMAGE, tiffslide.TiffFileError) as error:
        raise UnreadableError(f"is no slide that can be read, or is damaged ({type(error).__name__})") from error


def magnification_of(slide: "TiffSlide") -> float:
    """Return the magnification at which a slide was scanned, from its objective or its pixel size.

    Raises:
        UnreadableError: it states neither.
    """
    power = slide.properties.get("tiffslide.objective-power")
    microns = slide.properties.get("tiffslide.mpp-x")
    if power:
        return float(power)
    if microns:
        return _MICRONS_AT_1 / float(microns)
    raise UnreadableError("states neither objective power nor micrometres per pixel", "a slide that says its scale")


def shrinkage(slide: "TiffSlide", magnification: float) -> float:
    """Return how many pixels of the full resolution make one at ``magnification``.

    Raises:
        UnreadableError: the slide was scanned at less.
    """
    scanned = magnification_of(slide)
    if not 0 < magnification <= scanned * 1.01:
        raise UnreadableError(
            f"was scanned at {scanned:g}×, not {magnification:g}×", f"magnifications up to {scanned:g}"
        )
    return max(1.0, scanned / magnification)


def _read_tile(slide: "TiffSlide", tile: Tile) -> Image:
    factor = shrinkage(slide, tile.magnification)
    extent = round(tile.size * factor)
    width, height = slide.dimensions
    if not 0 < tile.size <= _LARGEST_TILE or tile.x + extent > width or tile.y + extent > height:
        allowed = f"inside {width} × {height}, up to {_LARGEST_TILE} pixels a side"
        raise UnreadableError(f"has no such patch: {extent} pixels from ({tile.x}, {tile.y})", allowed)
    level = slide.get_best_level_for_downsample(factor)
    side = max(tile.size, round(extent / slide.level_downsamples[level]))
    if side * side > MOST_READ:
        raise UnreadableError(f"has no level near {tile.magnification:g}×", "a pyramid with finer steps")
    region = slide.read_region((tile.x, tile.y), level, (side, side))
    if side != tile.size:
        region = region.resize((tile.size, tile.size), reducing_gap=3.0)
    return picture_image(np.asarray(region.convert("RGB")).transpose(2, 1, 0))
