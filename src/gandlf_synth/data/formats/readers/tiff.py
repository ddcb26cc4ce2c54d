"""Reads TIFF pictures as ``(channels, column, row)``: 8-bit, 16-bit or float, grey or colour.

tifffile reads what it can; compressions for which it wants a package that is not here go to Pillow.
"""

import logging
import math
import struct
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, chosen_number
from gandlf_synth.data.formats.readers.picture import (
    check_frames,
    picture_image,
    pillow_pixels,
    without_opaque_alpha,
)
from gandlf_synth.data.formats.readers.slide import SlideReader, parse_tile

_DIRECT = (
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.PALETTE,
)
"""Colour spaces whose samples are the grey or RGB values; others are converted by Pillow."""
_ALPHA_KINDS = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
_MOST_PIXELS = 2**28
"""A compressed file that declares more is taken for a decompression bomb."""
_POOREST = 8
"""Bits per channel to which Pillow reduces colours."""
_NEEDED_TAGS = {"ImageWidth", "ImageLength", "PhotometricInterpretation"}


# tifffile logs every oddity of a damaged file; the error raised here says what matters.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffReader(Reader):
    """Reads ``.tif`` and ``.tiff``; any number of channels, one page."""

    suffixes = (".tif", ".tiff")
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the picture, upright, in the file's number type.

        Args:
            path: the file.
            part: the number of a page, counted from 0, or a tile of a slide (see ``slide``).

        Raises:
            UnreadableError: damaged, several pages, a volume, complex, or compressed in a way that cannot be read.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "image.tif"
            >>> tifffile.imwrite(path, np.zeros((10, 20, 3), np.uint8), photometric="rgb")
            >>> TiffReader()(path).array.shape
            (3, 20, 10)
        """
        return SlideReader()(path, part) if parse_tile(part) else _read(path, part)


def _read(path: Path, part: str) -> Image:
    try:
        content = path.read_bytes()
        with tifffile.TiffFile(BytesIO(content)) as tiff:
            page = _page(tiff, part)
            check_pages([page], content)
            pixels = _pixels(page) if _is_direct(page) else _by_pillow(page, content)
    except Pillow.DecompressionBombError as error:
        raise UnreadableError(f"is too large to be opened safely: {error}", fix="cut it into tiles") from error
    except tifffile.TiffFileError as error:
        raise UnreadableError(f"is not a TIFF file, or damaged: {error}") from error
    except DAMAGE as error:
        raise UnreadableError(f"is truncated or damaged: {error}") from error
    return picture_image(pixels)


def _page(tiff: tifffile.TiffFile, part: str) -> tifffile.TiffPage:
    if not len(tiff.pages):
        raise UnreadableError("is truncated or damaged: it has no directory of pages")
    if part:
        return tiff.pages.get(chosen_number(part, len(tiff.pages), "pages"))
    check_frames(max(len(tiff.pages), int((tiff.imagej_metadata or {}).get("images", 1))))
    return tiff.pages.first


def check_pages(pages: Iterable[tifffile.TiffPage], content: bytes) -> None:
    """Refuse pages of which a part lies beyond the end of the file, or that are implausibly large.

    Args:
        pages: ``tifffile.TiffPage`` objects.
        content: the whole file.

    Raises:
        UnreadableError: truncated, damaged, or too large to be opened safely.
    """
    for page in pages:
        _check_extent(page, content)


def _check_extent(page: tifffile.TiffPage, content: bytes) -> None:
    missing = _NEEDED_TAGS - {tag.name for tag in page.tags}
    if missing or page.dtype is None:
        raise UnreadableError(f"is damaged: its directory has no {', '.join(sorted(missing)) or 'known number type'}")
    pieces, lengths = page.dataoffsets, page.databytecounts
    if not len(pieces) == len(lengths) >= math.prod(page.chunked):
        raise UnreadableError("is truncated or damaged: its directory does not say where all pixels are")
    ends = [offset + length for offset, length in zip(pieces, lengths, strict=True)]
    end = max(*ends, _directory_end(page, content))
    if end > len(content):
        raise UnreadableError(f"is truncated: {len(content):,} of {end:,} bytes")
    _check_size(page, sum(lengths))


def _directory_end(page: tifffile.TiffPage, content: bytes) -> int:
    """Return the end of the directory and of every value it points to (TIFF 6.0, section 2; BigTIFF alike)."""
    form = page.parent.tiff
    (count,) = struct.unpack_from(form.tagnoformat, content, page.offset)
    start = page.offset + form.tagnosize
    ends = [start + count * form.tagsize + form.offsetsize]
    for place in range(start, start + count * form.tagsize, form.tagsize):
        _, kind, number, offset = struct.unpack_from(f"{form.tagformat1}{form.offsetformat[1:] * 2}", content, place)
        length = number * struct.calcsize(form.byteorder + tifffile.TIFF.DATA_FORMATS.get(kind, ""))
        if length > form.tagoffsetthreshold:
            ends.append(offset + length)
    return int(max(ends))


def _check_size(page: tifffile.TiffPage, stored: int) -> None:
    pixels = page.imagewidth * page.imagelength
    if page.compression != tifffile.COMPRESSION.NONE and pixels > _MOST_PIXELS:
        what = f"is too large to be opened safely: {page.imagewidth:,} × {page.imagelength:,} pixels"
        raise UnreadableError(what, f"up to {_MOST_PIXELS:,} pixels", "cut it into tiles")
    plain = page.compression == tifffile.COMPRESSION.NONE and page.photometric in _DIRECT
    if plain and stored < page.size * page.bitspersample // 8:
        raise UnreadableError(f"is damaged: {stored:,} bytes for pixels of shape {page.shape} and type {page.dtype}")


def _is_direct(page: tifffile.TiffPage) -> bool:
    decodable = page.compression in tifffile.TIFF.DECOMPRESSORS and page.predictor in tifffile.TIFF.UNPREDICTORS
    plain = page.fillorder == 1 and page.bitspersample in {1, 8, 16, 32, 64}
    return decodable and plain and page.photometric in _DIRECT


def _pixels(page: tifffile.TiffPage) -> Values:
    if page.dtype.kind not in "buif":
        raise UnreadableError(f"has pixels of type {page.dtype}", "whole or real numbers")
    samples = page.asarray().reshape(page.shaped)
    planes, depth, rows, columns, interleaved = samples.shape
    if depth > 1:
        raise UnreadableError(f"holds a volume of {depth} slices", "one picture per file", "convert it to NIfTI")
    pixels = samples[:, 0].transpose(0, 3, 2, 1).reshape(planes * interleaved, columns, rows)
    return _without_alpha(_upright(_values(pixels, page), page), page)


def _values(pixels: Values, page: tifffile.TiffPage) -> Values:
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        colours: Values = (page.colormap[:, pixels[0]] >> 8).astype(np.uint8)
        return colours
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and pixels.dtype.kind == "u":
        return np.iinfo(pixels.dtype).max - pixels
    return pixels


def _upright(pixels: Values, page: tifffile.TiffPage) -> Values:
    """Undo the Orientation tag (TIFF 6.0, page 36) of ``(channels, column, row)``."""
    orientation = int(page.tags.valueof("Orientation", 1))
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(0, 2, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[:, :, ::-1]
    return pixels


def _without_alpha(pixels: Values, page: tifffile.TiffPage) -> Values:
    has_alpha = any(kind in _ALPHA_KINDS for kind in page.extrasamples)
    return without_opaque_alpha(pixels) if has_alpha else pixels


def _by_pillow(page: tifffile.TiffPage, content: bytes) -> Values:
    if page.bitspersample > _POOREST and page.samplesperpixel > 1:
        raise _unsupported(page)
    try:
        with Pillow.open(BytesIO(content), formats=["TIFF"]) as picture:
            return pillow_pixels(picture)
    except UnidentifiedImageError as error:
        raise _unsupported(page) from error


def _unsupported(page: tifffile.TiffPage) -> UnreadableError:
    names = [getattr(value, "name", value) for value in (page.compression, page.photometric)]
    what = f"cannot be read, or is damaged: compression {names[0]}, colours {names[1]}, {page.bitspersample} bits"
    allowed = "uncompressed or Deflate; LZW and JPEG at 8 bits per channel"
    return UnreadableError(what, allowed, "save it without compression, or install imagecodecs")
