"""Reads OME-TIFF: channels in pages of their own, and volumes with their spacing."""

from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, check_declared, chosen_number
from gandlf_synth.data.formats.readers.picture import picture_image
from gandlf_synth.data.formats.readers.tiff import TiffReader, check_pages
from gandlf_synth.geometry import LPS_FROM_RAS, Geometry

_MM = {"nm": 1e-6, "µm": 1e-3, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0}
_KNOWN = set("TCZYXS")


class OmeTiffReader(Reader):
    """Reads ``.ome.tif`` and ``.ome.tiff``; the full resolution of a pyramid."""

    suffixes = (".ome.tif", ".ome.tiff")
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the picture or volume of the first series.

        Args:
            path: the file.
            part: the number of a time point, counted from 0.

        Raises:
            UnreadableError: damaged, several time points, or axes that are no image.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "cells.ome.tif"
            >>> tifffile.imwrite(path, np.zeros((3, 32, 48), np.uint16), metadata={"axes": "CYX"})
            >>> OmeTiffReader()(path).array.shape
            (3, 48, 32)
        """
        try:
            content = path.read_bytes()
            with tifffile.TiffFile(BytesIO(content)) as tiff:
                series = tiff.series[0] if tiff.is_ome and tiff.series else None
                if series is None or len(series.pages) == 1:
                    _check_only_part(part)
                    return TiffReader()(path)
                check_pages((page.aspage() for page in series.pages if page), content)
                check_declared(series.nbytes, len(content))
                array, axes = _one_time(series.asarray(), series.axes, part)
                return _image(array, axes, tiff.ome_metadata)
        except tifffile.TiffFileError as error:
            raise UnreadableError("is not a TIFF file, or damaged") from error
        except (*DAMAGE, tifffile.OmeXmlError) as error:
            raise UnreadableError(f"is truncated or damaged: {error}") from error


def _one_time(array: Values, axes: str, part: str) -> tuple[Values, str]:
    if not set(axes) <= _KNOWN or not {"X", "Y"} <= set(axes):
        raise UnreadableError(f"has the axes {axes}", "T, C, Z, Y, X and samples S")
    if "T" not in axes:
        _check_only_part(part)
        return array, axes
    times = array.shape[axes.index("T")]
    if not part and times > 1:
        fix = "choose one in the CSV, counted from 0, as in movie.ome.tif#0"
        raise UnreadableError(f"holds {times} time points", "one image per cell", fix)
    chosen = chosen_number(part, times, "time points") if part else 0
    return array.take(chosen, axes.index("T")), axes.replace("T", "")


def _check_only_part(part: str) -> None:
    if part:
        chosen_number(part, 1, "time points")


def _image(array: Values, axes: str, metadata: str | None) -> Image:
    channels = [axes.index(name) for name in "CS" if name in axes]
    space = [axes.index(name) for name in "XYZ" if name in axes]
    ordered = array.transpose(*channels, *space)
    stacked = ordered.reshape(-1, *ordered.shape[len(channels) :])
    if "Z" not in axes:
        return picture_image(stacked)
    spacing = _spacing(metadata)
    affine = LPS_FROM_RAS @ np.diag([*(spacing or (1.0, 1.0, 1.0)), 1.0])
    return Image.from_file_values(stacked, Geometry(stacked.shape[1:], affine, spacing is not None))


def _spacing(metadata: str | None) -> tuple[float, ...] | None:
    """Return the millimetres between voxels along x, y and z where the OME-XML states all three."""
    content = tifffile.xml2dict(metadata or "<OME/>").get("OME") or {}
    image = content.get("Image") or {}
    pixels = (image[0] if isinstance(image, list) else image).get("Pixels") or {}
    sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "XYZ"]
    units = [_MM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XYZ"]
    spacing = [float(size) * unit for size, unit in zip(sizes, units, strict=True) if size and unit]
    return tuple(spacing) if len(spacing) == 3 and min(spacing) > 0 else None
