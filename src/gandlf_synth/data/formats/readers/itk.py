"""Reads NRRD and MetaImage (MHA, MHD) through SimpleITK."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandlf_synth.data.formats.image import Image, scaled
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, check_declared, chosen_number
from gandlf_synth.data.formats.readers.itk_header import ItkHeader, read_header
from gandlf_synth.geometry import LPS_FROM_RAS, Affine, Geometry

if TYPE_CHECKING:
    from SimpleITK import Image as ItkImage
    from SimpleITK import ImageFileReader

_IO = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO"}
_PLANE = 2


class ItkReader(Reader):
    """Reads ``.mha``, ``.mhd``, ``.nrrd`` and ``.nhdr``; several components per voxel become channels."""

    suffixes = tuple(_IO)
    has_parts = True

    def files(self, path: Path) -> list[Path]:
        """Return the header and the file of voxels that it names, if that is another one."""
        return read_header(path).files

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image, ``(channels, i, j[, k])``, by the slope and intercept that a MetaImage may state.

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


def _read(path: Path, part: str) -> Image:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(_IO[path.suffix.lower()])
    try:
        header = read_header(path)
        header.check_axes()
        data = header.data_file
        if data is not None and len(header.files) == 1:
            raise UnreadableError(f"needs its file of voxels {data.name}, which is not beside it")
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = _checked_size(reader, header)
        _extract(reader, size, part)
        image = reader.Execute()
        return _image(SimpleITK.GetArrayFromImage(image), image, header.scale)
    except DAMAGE as error:
        raise UnreadableError("is not of the type its name says, or is truncated or damaged") from error


def _checked_size(reader: "ImageFileReader", header: ItkHeader) -> tuple[int, ...]:
    import SimpleITK

    size = tuple(int(length) for length in reader.GetSize())
    kind = SimpleITK.GetPixelIDValueAsString(reader.GetPixelIDValue())
    if min(size, default=0) < 1:
        raise UnreadableError(f"has an axis without voxels: shape {size}")
    if "complex" in kind or "label" in kind:
        raise UnreadableError(f"has voxels of type {kind}", "real numbers")
    bits = re.search(r"(\d+)-bit", kind)
    declared = math.prod(size) * reader.GetNumberOfComponents() * (int(bits[1]) // 8 if bits else 1)
    check_declared(declared, sum(file.stat().st_size for file in header.files))
    header.check_packed(declared)
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


def _image(values: Any, image: "ItkImage", scale: tuple[float, float]) -> Image:
    """Return ITK's ``(k, j, i[, component])`` as ``(channels, i, j, k)`` with its affine."""
    components = image.GetNumberOfComponentsPerPixel()
    layers = np.moveaxis(values, -1, 0) if components > 1 else values[None]
    array = scaled(layers.transpose(0, *range(layers.ndim - 1, 0, -1)), *scale)
    if array.ndim <= _PLANE:
        raise UnreadableError("has fewer than two axes", "a 2D or 3D image")
    return Image.from_file_values(array, Geometry(array.shape[1:], _affine(image)))


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
