"""Reads NIfTI-1 and NIfTI-2 images, plain or gzipped.

nibabel interprets the header; the voxels are read here, to the last byte, so that a file cut short anywhere or
damaged in a way that only its checksum shows is refused rather than half read.
"""

import gzip
import logging
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, Values, scaled
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, chosen_number
from gandlf_synth.data.formats.readers.picture import without_opaque_alpha
from gandlf_synth.geometry import Affine, Geometry

_HEADERS = {348: Nifti1Header, 540: Nifti2Header}
_MM_PER_UNIT = {1: 1000.0, 3: 0.001}
"""NIfTI's codes for metres and micrometres; anything else is taken as millimetres."""
_GZIP = b"\x1f\x8b"
_LARGEST_GZIP_RATIO = 1100
"""Deflate cannot make anything more than 1032 times smaller."""
_PLANE = 2
_COLOURS = (("R", "G", "B"), ("R", "G", "B", "A"))
_FLATTEST_CELL = 1e-6
"""Volume of a voxel, as a share of the product of its edges, below which the axes do not span space."""

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class NiftiReader(Reader):
    """Reads ``.nii`` and ``.nii.gz``, gzipped or not whatever the name says; one channel per file, or a colour's."""

    suffixes = (".nii", ".nii.gz")
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the image, scaled by the header's slope and intercept, ``(channels, i, j[, k])``.

        Trailing axes of length 1 are dropped. RGB24 and RGBA32 give three channels, or four where something shows
        through. Metres and micrometres become millimetres.

        Args:
            path: the file.
            part: of a series of volumes, the number of one, counted from 0.

        Raises:
            UnreadableError: damaged, more than one volume, complex voxels, or axes that do not span space.

        Example:
            >>> import tempfile, nibabel
            >>> path = Path(tempfile.mkdtemp()) / "brain.nii.gz"
            >>> nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), np.diag([2, 2, 3, 1])).to_filename(path)
            >>> image = NiftiReader()(path)
            >>> image.array.shape, image.dtype, image.geometry.spacing
            ((1, 4, 5, 6), 'int16', (2.0, 2.0, 3.0))
        """
        try:
            with _opened(path) as stream:
                header = _header(stream)
                shape, volume = _chosen_volume(header, part)
                geometry = Geometry(shape, _affine(header, len(shape)))
                return _scaled(_voxels(stream, header, shape, path, volume), header, geometry)
        except EOFError as error:
            raise UnreadableError("is truncated: the compressed data ends early") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableError(f"is damaged: {error}") from error
        except OSError as error:
            raise UnreadableError(f"cannot be read: {error.strerror or error}") from error
        except (HeaderDataError, *DAMAGE) as error:
            raise UnreadableError(f"has a damaged NIfTI header: {error}") from error


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if _is_gzip(path) else path.open("rb")


def _is_gzip(path: Path) -> bool:
    """Say whether a file starts as gzip does (RFC 1952); its name may say something else."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _header(stream: BinaryIO) -> Any:
    start = stream.read(max(_HEADERS))
    for size, kind in _HEADERS.items():
        if int.from_bytes(start[:4], "little") == size or int.from_bytes(start[:4], "big") == size:
            if len(start) < size:
                raise UnreadableError(f"is truncated: its header has {len(start)} of {size} bytes")
            header = kind(start[:size], check=False)
            header.check_fix(logger=_log)
            return header
    raise UnreadableError("is not a NIfTI file, or damaged at its start", "NIfTI-1 or NIfTI-2 in one file")


def _chosen_volume(header: Any, part: str) -> tuple[tuple[int, ...], int]:
    """Return the spatial shape and the number of the volume to read."""
    shape = tuple(int(size) for size in header.get_data_shape())
    if any(size < 1 for size in shape):
        raise UnreadableError(f"has an axis without voxels: shape {shape}")
    spatial = list(shape)
    while len(spatial) > _PLANE and spatial[-1] == 1:
        spatial.pop()
    if len(spatial) > 3:
        volumes = math.prod(spatial[3:])
        if part:
            return tuple(spatial[:3]), chosen_number(part, volumes, "volumes")
        fix = f"choose one in the CSV, counted from 0: file.nii.gz#0 to file.nii.gz#{volumes - 1}"
        raise UnreadableError(f"holds {volumes:,} volumes (shape {shape})", "one image per cell", fix)
    if part:
        chosen_number(part, 1, "volume")
    if len(spatial) < _PLANE:
        raise UnreadableError(f"has fewer than two axes (shape {shape})", "a 2D or 3D image")
    return tuple(spatial), 0


def _affine(header: Any, spatial_dims: int) -> Affine:
    affine: Affine = np.array(header.get_best_affine(), dtype=np.float64)
    affine[:3] *= _MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    if spatial_dims == 2 and _flatness(affine) < _FLATTEST_CELL:
        affine[:3, 2] = _normal(affine)
    if not _flatness(affine) >= _FLATTEST_CELL:
        rows = np.array2string(affine[:3], precision=4, separator=", ").replace("\n", "")
        fix = "set its sform or qform, for instance by saving it again with the tool that made it"
        raise UnreadableError(f"has an affine that spans no volume: {rows}", "finite, independent axes", fix)
    return affine


def _flatness(affine: Affine) -> float:
    """Return 1 for perpendicular axes, towards 0 for ever flatter ones, NaN for any that is not finite."""
    edges = np.linalg.norm(affine[:3, :3], axis=0).prod()
    if not np.isfinite(affine).all():
        return math.nan
    return float(abs(np.linalg.det(affine[:3, :3])) / edges) if edges > 0 else 0.0


def _normal(affine: Affine) -> NDArray[np.float64]:
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    length = np.linalg.norm(normal)
    return normal / length if length > 0 else normal


def _voxels(stream: BinaryIO, header: Any, shape: tuple[int, ...], path: Path, volume: int) -> Values:
    """Return the stored numbers, ``(channels, *shape)``."""
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" and dtype.names not in _COLOURS:
        raise UnreadableError(f"has voxels of type {dtype} ({header['datatype']})", "real numbers, RGB24 or RGBA32")
    needed = math.prod(shape) * dtype.itemsize
    offset = (int(header.get_data_offset()) or int(header.single_vox_offset)) + volume * needed
    size, is_gzip = path.stat().st_size, _is_gzip(path)
    if is_gzip and needed > size * _LARGEST_GZIP_RATIO:
        raise UnreadableError(f"declares {needed:,} bytes of voxels, more than its {size:,} compressed bytes can hold")
    if not is_gzip and offset + needed > size:
        raise UnreadableError(f"is truncated: {size:,} of {offset + needed:,} bytes")
    stream.seek(offset)
    content = stream.read(needed)
    if len(content) < needed:
        raise UnreadableError(f"is truncated: {len(content):,} of {needed:,} bytes of voxels")
    if is_gzip:
        _check_rest(stream)
    voxels = np.frombuffer(content, dtype).reshape(shape, order="F")
    return np.stack([voxels[name] for name in dtype.names]) if dtype.names else voxels[None]


def _check_rest(stream: BinaryIO) -> None:
    while stream.read(1 << 20):
        pass


def _scaled(voxels: Values, header: Any, geometry: Geometry) -> Image:
    if len(voxels) > 1:
        return Image.from_file_values(without_opaque_alpha(voxels), geometry)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):  # which means that voxels are not scaled
        slope, intercept = 1.0, 0.0
    return Image.from_file_values(scaled(voxels, slope, intercept), geometry)
