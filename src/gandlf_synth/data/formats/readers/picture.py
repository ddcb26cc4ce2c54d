"""Reads PNG, JPEG and BMP pictures as ``(channels, column, row)``.

What a mode stores is undone, what it shows is kept: palettes become colours, a rotation noted by the camera is
carried out, and an alpha channel that hides nothing is dropped.
"""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, check_declared
from gandlf_synth.geometry import picture_geometry

_FORMATS = ("PNG", "JPEG", "BMP")
_PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "I;16", "F")
_FIRST_ONLY = ("MPO",)
"""Cameras put previews and depth maps behind the picture; it is the first one (CIPA DC-007)."""
_LAST_BYTES = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9", "MPO": b"\xff\xd9"}
"""Pillow does not miss these when they are all that is cut off."""


class PictureReader(Reader):
    """Reads ``.png``, ``.jpg``, ``.jpeg`` and ``.bmp``: grey, colour, or either with transparency."""

    suffixes = (".png", ".jpg", ".jpeg", ".bmp")

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the picture, 1 to 4 channels, uint8 or uint16.

        Raises:
            UnreadableError: damaged, animated, or implausibly large. Of a camera's several pictures, the first is read.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "grey.png"
            >>> Pillow.new("L", (20, 10)).save(path)
            >>> PictureReader()(path).array.shape
            (1, 20, 10)
        """
        try:
            content = path.read_bytes()
            with Pillow.open(BytesIO(content), formats=_FORMATS) as picture:
                check_frames(1 if picture.format in _FIRST_ONLY else getattr(picture, "n_frames", 1))
                pixels = _deep_pixels(path, picture) if _is_deep(picture, content) else pillow_pixels(picture)
                _check_end(picture.format or "", content)
        except UnidentifiedImageError as error:
            raise UnreadableError("is not a picture, or damaged at its start", "PNG, JPEG or BMP") from error
        except Pillow.DecompressionBombError as error:
            raise UnreadableError(f"is too large to be opened safely: {error}", fix="cut it into tiles") from error
        except DAMAGE as error:
            raise UnreadableError(f"is truncated or damaged: {error}") from error
        return picture_image(pixels)


def check_frames(count: int) -> None:
    """Refuse a file that holds several pictures.

    Raises:
        UnreadableError: ``count`` is more than 1.
    """
    if count > 1:
        fix = "save each one as a file of its own, a volume as NIfTI; of a TIFF, name one page: file.tif#0"
        raise UnreadableError(f"holds {count:,} pictures (pages or frames)", "one picture per file", fix)


def pillow_pixels(picture: Pillow.Image) -> Values:
    """Return the pixels of an opened picture, ``(channels, column, row)``, upright and without needless alpha."""
    upright = ImageOps.exif_transpose(picture)
    pixels = np.asarray(_plain(upright))
    layers = pixels[..., None] if pixels.ndim == 2 else pixels
    return without_opaque_alpha(layers.transpose(2, 1, 0))


def without_opaque_alpha(pixels: Values) -> Values:
    """Return ``(channels, column, row)`` of grey or RGB, with its alpha only where that is not full everywhere."""
    if pixels.shape[0] not in {2, 4}:
        return pixels
    full = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    return pixels[:-1] if (pixels[-1] == full).all() else pixels


def picture_image(pixels: Values) -> Image:
    """Return the image of ``pixels (channels, column, row)``."""
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore"):
        return Image.from_file_values(native, picture_geometry(tuple(native.shape[1:])))


def _plain(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in {"P", "PA"}:
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if picture.mode in {"L", "RGB"} and "transparency" in picture.info:
        return picture.convert("LA" if picture.mode == "L" else "RGBA")
    if picture.mode in _PLAIN_MODES or picture.mode.startswith("I"):
        return picture
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _is_deep(picture: Pillow.Image, content: bytes) -> bool:
    """Say whether a PNG has 16 bits in each of several channels (PNG, section 11.2.1), which Pillow would halve."""
    depth, colour_type = content[24:26]
    return picture.format == "PNG" and depth == 16 and colour_type != 0


def _deep_pixels(path: Path, picture: Pillow.Image) -> Values:
    import SimpleITK

    check_declared(math.prod(picture.size) * 8, path.stat().st_size)
    picture.load()
    samples = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="PNGImageIO"))
    return without_opaque_alpha(samples.transpose(2, 1, 0))


def _check_end(kind: str, content: bytes) -> None:
    last = _LAST_BYTES.get(kind, b"")
    declared = int.from_bytes(content[2:6], "little") if kind == "BMP" else 0
    if last not in content or declared > len(content):
        raise UnreadableError("is truncated: its end is missing")
