"""Reads NRRD and MetaImage (MHA, MHD) through SimpleITK."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, check_declared, chosen_number
from gandlf_synth.geometry import LPS_FROM_RAS, Affine, Geometry

if TYPE_CHECKING:
    from SimpleITK import Image as ItkImage
    from SimpleITK import ImageFileReader

_IO = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
_HEADER_BYTES = 2**16
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)
_INSIDE = {b"local", b""}


class ItkReader(Reader):
    """Reads ``.mha``, ``.mhd``, ``.nrrd`` and ``.nhdr``; several components per voxel become channels."""

    suffixes = tuple(_IO)
    has_parts = True

    def files(self, path: Path) -> list[Path]:
        """Return the header and the file of voxels that it names, if that is another one."""
        return _files(path)

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image, ``(channels, i, j[, k])``; trailing axes of length 1 are dropped.

        Args:
            path: the file.
            part: the number of one of several volumes, counted from 0.

        Raises:
            UnreadableError: damaged, implausibly large, more than one volume, or without real numbers.

        Example:
            >>> import tempfile, SimpleITK
            >>> path = Path(tempfile.mkdtemp()) / "scan.mha"
            >>> SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((6, 5, 4), np.float32)), str(path))
            >>> ItkReader()(path).array.shape
            (1, 4, 5, 6)
        """
        return _read(path, part)


def _files(path: Path) -> list[Path]:
    data = _data_file(path)
    return [path] if data is None or not data.is_file() else [path, data]


def _data_file(path: Path) -> Path | None:
    """Return the separate file of voxels that a header names.

    Raises:
        UnreadableError: it lies outside the header's folder, so that a header could name any file of the machine.
    """
    with path.open("rb") as file:
        match = _DATA_FILE.search(file.read(_HEADER_BYTES))
    if not match or match[1].lower() in _INSIDE:
        return None
    name = Path(match[1].decode(errors="replace"))
    if name.is_absolute() or ".." in name.parts:
        raise UnreadableError("names a file of voxels outside its own folder", "a file beside it")
    return path.parent / name


def _read(path: Path, part: str) -> Image:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(_IO[path.suffix.lower()])
    try:
        data = _data_file(path)
        if data is not None and not data.is_file():
            raise UnreadableError(f"needs its file of voxels {data.name}, which is not beside it")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = _checked_size(reader, sum(file.stat().st_size for file in _files(path)))
        _extract(reader, size, part)
        image = reader.Execute()
        values = SimpleITK.GetArrayFromImage(image)
    except DAMAGE as error:
        raise UnreadableError("is not of the type its name says, or is truncated or damaged") from error
    return _image(values, image)


def _checked_size(reader: "ImageFileReader", stored: int) -> tuple[int, ...]:
    import SimpleITK

    size = tuple(int(length) for length in reader.GetSize())
    kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelIDValue())
    if min(size, default=0) < 1:
        raise UnreadableError(f"has an axis without voxels: shape {size}")
    if "complex" in kind or "label" in kind:
        raise UnreadableError(f"has voxels of type {kind}", "real numbers")
    bits = re.search(r"(\d+)-bit", kind)
    declared = math.prod(size) * reader.GetNumberOfComponents() * (int(bits[1]) // 8 if bits else 1)
    check_declared(declared, stored)
    return size


def _extract(reader: "ImageFileReader", size: tuple[int, ...], part: str) -> None:
    """Set the reader to the volume that is wanted."""
    volumes = math.prod(size[3:])
    if not part and volumes > 1:
        fix = "choose one in the CSV, counted from 0, as in image.nrrd#0"
        raise UnreadableError(f"holds {volumes:,} volumes (shape {size})", "one image per cell", fix)
    chosen = chosen_number(part, volumes, "volumes") if part else 0
    if len(size) > 3:
        index = [int(place) for place in np.unravel_index(chosen, size[3:], order="F")]
        reader.SetExtractSize([*size[:3], *(0 for _ in size[3:])])
        reader.SetExtractIndex([0, 0, 0, *index])


def _image(values: Any, image: "ItkImage") -> Image:
    """Return ITK's ``(k, j, i[, component])`` as ``(channels, i, j, k)`` with its affine."""
    components = image.GetNumberOfComponentsPerPixel()
    layers = np.moveaxis(values, -1, 0) if components > 1 else values[None]
    array = layers.transpose(0, *range(layers.ndim - 1, 0, -1))
    affine = _affine(image)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return Image.from_file_values(array, Geometry(array.shape[1:], affine))


def _affine(image: "ItkImage") -> Affine:
    dims = image.GetDimension()
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(dims, dims)
    affine[:dims, :dims] = directions * np.array(image.GetSpacing())
    affine[:dims, 3] = image.GetOrigin()
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise UnreadableError("has axes that span no volume", "finite, independent axes")
    placed: Affine = LPS_FROM_RAS @ affine
    return placed
