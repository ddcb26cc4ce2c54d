"""Reads NumPy arrays: ``.npy``, and one array of an ``.npz``; never anything that could run code (pickles)."""

import math
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, check_declared
from gandlf_synth.data.formats.readers.picture import picture_image
from gandlf_synth.errors import listing
from gandlf_synth.geometry import Geometry

_MOST_CHANNELS = 4
_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


class NumpyReader(Reader):
    """Reads ``.npy`` and ``.npz``.

    Two axes are a picture's rows and columns, three a volume's i, j, k. An axis of at most four entries in front or at
    the end, beside longer ones, is the channels; a fourth axis always is, in front unless only the last fits.
    """

    suffixes = (".npy", ".npz")
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image; the file says nothing of millimetres.

        Args:
            path: the file.
            part: the name of one of the arrays of an ``.npz``.

        Raises:
            UnreadableError: damaged, several arrays, pickled objects, or axes that are no image.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "volume.npy"
            >>> np.save(path, np.zeros((2, 8, 9, 10), np.float32))
            >>> NumpyReader()(path).array.shape
            (2, 8, 9, 10)
        """
        try:
            if path.suffix.lower() == ".npz":
                return _image(_zipped(path, part))
            if part:
                raise UnreadableError(f"names a part (#{part}), but holds one array", fix="leave # out")
            with path.open("rb") as file:
                return _image(_array(file, path.stat().st_size))
        except zipfile.BadZipFile as error:
            raise UnreadableError("is not an .npz file, or truncated or damaged") from error
        except (*DAMAGE, NotImplementedError, SyntaxError, TokenError) as error:  # numpy parses a header as Python
            raise UnreadableError(f"is truncated or damaged: {error}") from error


def _zipped(path: Path, part: str) -> Values:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if not part and len(names) != 1:
            fix = "name one in the CSV, as in file.npz#image"
            raise UnreadableError(f"holds {len(names)} arrays: {listing(names)}", "one image per cell", fix)
        if part and part not in names:
            raise UnreadableError(f"has no array {part!r}", listing(names))
        entry = archive.infolist()[names.index(part) if part else 0]
        check_declared(entry.file_size, path.stat().st_size)
        content = archive.read(entry)
    return _array(BytesIO(content), len(content))


def _array(stream: BinaryIO, size: int) -> Values:
    """Return the array in ``stream``, whose declared shape must fit in ``size`` bytes before memory is taken."""
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise UnreadableError(f"is of version {version} of the format", "1.0 or 2.0")
    shape, is_fortran, dtype = _HEADERS[version](stream)
    if dtype.kind not in "buif":
        raise UnreadableError(f"holds {dtype} instead of numbers", "whole or real numbers")
    if any(length < 1 for length in shape):
        raise UnreadableError(f"has an axis without voxels: shape {shape}")
    needed = math.prod(shape) * dtype.itemsize
    left = size - stream.tell()
    if needed > left:
        raise UnreadableError(f"is truncated: {left:,} of {needed:,} bytes of voxels")
    flat = np.frombuffer(stream.read(needed), dtype)
    return flat.reshape(shape, order="F" if is_fortran else "C")


def _image(array: Values) -> Image:
    values = array.astype(np.uint8) if array.dtype.kind == "b" else array
    native = _channels_first(values.astype(values.dtype.newbyteorder("="), copy=False))
    if native.ndim == 3:
        return picture_image(native.transpose(0, 2, 1))
    with np.errstate(over="ignore"):
        return Image.from_file_values(native, Geometry(native.shape[1:], physical=False))


def _channels_first(array: Values) -> Values:
    few = [axis for axis in (0, array.ndim - 1) if array.shape[axis] <= _MOST_CHANNELS < np.median(array.shape)]
    if array.ndim == 2:
        return array[None]
    if array.ndim == 3:
        return np.moveaxis(array, few[0], 0) if few else array[None]
    if array.ndim == 4:
        return np.moveaxis(array, few[0] if few else 0, 0)
    raise UnreadableError(f"has {array.ndim} axes (shape {array.shape})", "2 to 4")
