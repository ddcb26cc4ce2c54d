"""Reads OME-Zarr: folders of chunks with the place of each voxel beside them (OME-NGFF 0.4 and 0.5).

https://ngff.openmicroscopy.org/0.5/#multiscale-md says what the metadata means.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, Values
from gandlf_synth.data.formats.readers.base import DAMAGE, Reader, UnreadableError, chosen_number
from gandlf_synth.data.formats.readers.picture import picture_image
from gandlf_synth.errors import MissingExtraError, listing
from gandlf_synth.geometry import LPS_FROM_RAS, Affine, Geometry

Numbers = NDArray[np.float64]
_MM = {
    "angstrom": 1e-7, "nanometer": 1e-6, "micrometer": 1e-3, "millimeter": 1.0, "centimeter": 10.0, "meter": 1000.0,
}  # fmt: skip
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_TOWARDS = {
    "left-to-right": (0, 1), "right-to-left": (0, -1), "posterior-to-anterior": (1, 1),
    "anterior-to-posterior": (1, -1), "inferior-to-superior": (2, 1), "superior-to-inferior": (2, -1),
}  # fmt: skip
"""Where an axis runs (OME-NGFF, RFC 4): along which axis of RAS+, and forwards or backwards."""
_SAFE_CODECS = {
    *("blosc", "bytes", "crc32c", "gzip", "lz4", "lzma", "bz2", "sharding_indexed", "shuffle", "transpose", "zlib"),
    *("zstd", "delta", "fixedscaleoffset", "packbits", "quantize", "astype", "bitround", "adler32", "crc32"),
}
"""All others are refused: some, as pickle, run what is in the file."""


class OmeZarrReader(Reader):
    """Reads ``.zarr`` folders; the full resolution of the pyramid."""

    suffixes = (".zarr/",)
    has_parts = True

    def __call__(self, path: Path, part: str = "") -> Image:
        """Return the picture or volume of the first multiscale image.

        Args:
            path: the folder of one image.
            part: the number of a time point, counted from 0.

        Raises:
            UnreadableError: damaged, a folder of several images, several time points, or axes that are no image.
            MissingExtraError: zarr is not installed.
        """
        try:
            import zarr
        except ImportError as error:
            raise MissingExtraError(str(path), "zarr", "zarr") from error
        try:
            group = zarr.open_group(path, mode="r", use_consolidated=False)
            multiscale = _multiscale(dict(group.attrs))
            array = group[str(multiscale["datasets"][0]["path"])]
            if not isinstance(array, zarr.Array):
                raise UnreadableError("names a group where its voxels should be")
            _check_codecs(array.metadata.to_dict())
            return _image(array, multiscale, part)
        except DAMAGE as error:
            raise UnreadableError(f"is damaged, or no OME-Zarr image ({type(error).__name__}: {error})") from error

    def files(self, path: Path) -> list[Path]:
        """Return every file in the folder."""
        return sorted(Path(place, name) for place, _, names in os.walk(path) for name in names)

    def recognizes(self, path: Path) -> bool:
        """Say whether a folder is a part of an OME-Zarr, such as its labels."""
        return any((path / name).is_file() for name in (".zattrs", "zarr.json"))


def _multiscale(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is said of the first image: under ``ome`` since version 0.5."""
    about = attributes.get("ome", attributes)
    images = about.get("multiscales")
    if images:
        first: Mapping[str, Any] = images[0]
        return first
    if "plate" in about or "well" in about:
        raise UnreadableError("is a plate or a well", "one image", "name a field in it, as in plate.zarr/A/1/0")
    if "bioformats2raw.layout" in about:
        raise UnreadableError("is a collection", "one image", "name an image in it, as in cells.zarr/0")
    raise UnreadableError("does not describe a multiscale image", "OME-Zarr 0.4 or 0.5, with multiscales and axes")


def _check_codecs(metadata: Mapping[str, Any]) -> None:
    unknown = {name for name in _codecs(metadata) if name.removeprefix("numcodecs.") not in _SAFE_CODECS}
    if unknown:
        raise UnreadableError(f"is coded by {listing(sorted(unknown))}", listing(sorted(_SAFE_CODECS)))


def _codecs(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of everything that voxels go through, in both versions of Zarr."""
    steps = [metadata.get("compressor"), *(metadata.get("filters") or ()), *(metadata.get("codecs") or ())]
    for step in filter(None, steps):
        about = step if isinstance(step, Mapping) else step.get_config()
        yield str(about.get("id") or about.get("name"))
        inner = about.get("configuration")
        if isinstance(inner, Mapping):
            yield from _codecs(inner)
            yield from _codecs({"codecs": inner.get("index_codecs")})


def _image(array: Any, multiscale: Mapping[str, Any], part: str) -> Image:
    names, kinds, axes = _axes(multiscale, len(array.shape))
    if array.dtype.kind not in "buif":
        raise UnreadableError(f"holds {array.dtype} instead of numbers", "whole or real numbers")
    _check_memory(array)
    remark = _remark_on_chunks(array)
    times = array.shape[kinds.index("time")] if "time" in kinds else 1
    time = _chosen_time(part, times)
    voxels: Values = np.asarray(array[tuple(time if kind == "time" else slice(None) for kind in kinds)])
    kept = [number for number, kind in enumerate(kinds) if kind != "time"]
    space = [names.index(name) for name in "xyz" if name in names]
    order = [*(number for number in kept if kinds[number] == "channel"), *space]
    ordered = voxels.transpose(*(kept.index(number) for number in order))
    stacked = ordered if len(order) > len(space) else ordered[None]
    native = stacked.astype(stacked.dtype.newbyteorder("="), copy=False)
    if len(space) == 2:
        return replace(picture_image(native), remark=remark)
    affine, physical = _affine(multiscale, [axes[number] for number in space], space, len(kinds))
    return replace(Image.from_file_values(native, Geometry(native.shape[1:], affine, physical)), remark=remark)


def _axes(multiscale: Mapping[str, Any], count: int) -> tuple[list[str], list[str], list[Mapping[str, Any]]]:
    """Return the name and the kind of every axis, and all that is said of it."""
    axes = [{"name": axis} if isinstance(axis, str) else axis for axis in multiscale["axes"]]
    names = [str(axis["name"]) for axis in axes]
    kinds = [str(axis.get("type") or _TYPES.get(name, name)) for name, axis in zip(names, axes, strict=True)]
    space = {name for name, kind in zip(names, kinds, strict=True) if kind == "space"}
    others = [kind for kind in kinds if kind != "space"]
    fits = {"x", "y"} <= space <= {"x", "y", "z"} and set(others) <= {"time", "channel"}
    if not fits or len(set(others)) < len(others) or len(set(names)) < len(names) or len(names) != count:
        told = listing(f"{name} ({kind})" for name, kind in zip(names, kinds, strict=True))
        allowed = "x, y and perhaps z (space), one of channels, one of time"
        raise UnreadableError(f"has the axes {told} for an array of {count}", allowed)
    return names, kinds, axes


def _chosen_time(part: str, count: int) -> int:
    if not part and count > 1:
        fix = "choose one in the CSV, counted from 0, as in movie.ome.zarr#0"
        raise UnreadableError(f"holds {count} time points", "one image per cell", fix)
    return chosen_number(part, count, "time points") if part else 0


def _check_memory(array: Any) -> None:
    needed, free = math.prod(array.shape) * max(array.dtype.itemsize, 4), psutil.virtual_memory().available
    if needed > free:
        raise UnreadableError(f"needs {needed:,} bytes of memory for {array.shape}, and {free:,} are free")


def _remark_on_chunks(array: Any) -> str:
    """Return what is to be said of chunks that are missing.

    Zarr reads them as the fill value, and writers leave out chunks that have no other. So a folder that was copied in
    part cannot be told from one with an empty background, unless nothing is there, or nothing says what to fill in.
    """
    count, fill = array.nchunks, array.metadata.fill_value
    missing = count - array.nchunks_initialized
    if missing == count:
        what, fix = f"has none of its {count} chunks", "copy it again, or write it with its empty chunks"
        raise UnreadableError(f"{what}, so that all voxels would be {fill or 0}", "a folder that is whole", fix)
    if missing and fill is None:
        what = f"has {count - missing:,} of {count:,} chunks, and does not say what the others hold"
        raise UnreadableError(what, "all chunks, or a fill_value", "copy it again")
    fix = "right where all of their voxels have it; else copy the folder again"
    return f"has {count - missing:,} of {count:,} chunks; the others are read as {fill}: {fix}" if missing else ""


def _affine(
    multiscale: Mapping[str, Any], axes: Sequence[Mapping[str, Any]], order: list[int], count: int
) -> tuple[Affine, bool]:
    """Return where voxels lie, and whether the file says so in a unit of length.

    x, y and z run to the left, backwards and up, as in ITK, unless the axes state an anatomical orientation.
    """
    full_resolution = multiscale["datasets"][0]
    steps = [step for level in (full_resolution, multiscale) for step in level.get("coordinateTransformations", ())]
    scale, shift = _placed(steps, count)
    units = [_MM.get(str(axis.get("unit"))) for axis in axes]
    known = [unit for unit in units if unit]
    if len(known) < len(units):
        return LPS_FROM_RAS.copy(), False
    affine = np.eye(4)
    affine[:3, :3] = np.diag(scale[order] * known)
    affine[:3, 3] = shift[order] * known
    return _directions(axes) @ affine, True


def _directions(axes: Sequence[Mapping[str, Any]]) -> Affine:
    stated = [(axis.get("orientation") or {}).get("value") for axis in axes]
    if not any(stated):
        return LPS_FROM_RAS
    directions = np.zeros((4, 4))
    directions[3, 3] = 1
    for column, value in enumerate(stated):
        row, sign = _TOWARDS.get(str(value), (0, 0))
        directions[row, column] = sign
    if abs(np.linalg.det(directions)) != 1:
        raise UnreadableError(f"states the orientations {listing(map(str, stated))}", listing(_TOWARDS))
    return directions


def _placed(steps: Sequence[Mapping[str, Any]], count: int) -> tuple[Numbers, Numbers]:
    """Return the scale and the translation that ``steps`` make together, applied in their order."""
    scale, shift = np.ones(count), np.zeros(count)
    for step in steps:
        kind = str(step["type"])
        if kind not in {"scale", "translation", "identity"}:
            raise UnreadableError(f"is placed by a transformation {kind!r}", "scale, translation, identity")
        numbers = np.array(step.get(kind, []), np.float64)
        if kind != "identity" and (numbers.shape != (count,) or not np.isfinite(numbers).all()):
            raise UnreadableError(f"has a {kind} of {step.get(kind)}", f"a number for each of {count} axes")
        if kind == "scale":
            scale, shift = scale * numbers, shift * numbers
        elif kind == "translation":
            shift = shift + numbers
    if (scale <= 0).any():
        raise UnreadableError(f"has a scale of {scale.tolist()}", "numbers above 0")
    return scale, shift
