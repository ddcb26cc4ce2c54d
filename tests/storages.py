"""One image in every way in which it can be stored: formats, number types, byte orders, axes, planes, compressions.

The image is known as numbers, not as a file of some format, so that no reader is the measure of another one.
"""

import gzip
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

Voxels = NDArray[Any]
Affine = NDArray[np.float64]

HIGHEST = 120
"""Whole numbers up to it fit into every number type."""
NUMBER_TYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
SPACING = (0.75, 1.5, 2.25)
ORIGIN = (-12.0, 5.0, 33.0)
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
Turn = tuple[tuple[int, ...], tuple[bool, ...]]
"""The new order of the axes, and which of them run backwards afterwards."""
TURNS: list[Turn] = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]


@dataclass(frozen=True)
class Scan:
    """A volume as numbers.

    Args:
        voxels: ``(i, j, k)``.
        affine: voxel index → millimetres, RAS+.
    """

    voxels: Voxels
    affine: Affine

    def turned(self, turn: Turn) -> "Scan":
        """Return the same scan with its axes in another order and direction."""
        order, flips = turn
        affine = self.affine.copy()
        affine[:3, :3] = affine[:3, order]
        voxels = self.voxels.transpose(order)
        for axis in np.flatnonzero(flips):
            affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
            affine[:3, axis] *= -1
            voxels = np.flip(voxels, int(axis))
        return Scan(np.ascontiguousarray(voxels), affine)

    def slice(self, axis: int) -> "Scan":
        """Return the middle slice across an axis, as a volume with one voxel along it."""
        place = self.voxels.shape[axis] // 2
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, axis] * place
        return Scan(self.voxels.take([place], axis), affine)

    def as_type(self, number_type: str) -> "Scan":
        """Return the scan in another number type."""
        return replace(self, voxels=self.voxels.astype(number_type))

    @property
    def spacing(self) -> Affine:
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def make_scan(shape: tuple[int, ...] = (9, 8, 7), rotation: Sequence[float] = (0, 0, 0), step: int = 1) -> Scan:
    """Return a volume of multiples of ``step`` whose axes run to R, A and S, turned by small angles (radians)."""
    voxels = np.random.default_rng(0).integers(0, HIGHEST // step, shape, endpoint=True) * step
    affine = np.eye(4)
    affine[:3, :3] = _rotation(rotation) * SPACING
    affine[:3, 3] = ORIGIN
    return Scan(voxels, affine)


def _rotation(angles: Sequence[float]) -> Affine:
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("xyz", angles).as_matrix()


# NIfTI


def nifti(folder: Path, scan: Scan, *, kind: int = 1, name: str = "a.nii", packed: bool | None = None, order: str = "<",
          slope: float = 1, intercept: float = 0, shape: tuple[int, ...] | None = None) -> Path:  # fmt: skip
    """Write NIfTI-1 or -2, gzipped where ``packed`` or else the name says so, in either byte order."""
    image_type, header_type = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}[kind]
    voxels = scan.voxels if shape is None else scan.voxels.reshape(shape)
    stored = voxels.astype(np.uint8) if voxels.dtype == bool else voxels
    header = header_type(endianness=order)
    header.set_data_dtype(stored.dtype)
    image = image_type(stored.astype(stored.dtype.newbyteorder(order)), scan.affine, header, dtype=stored.dtype)
    image.header.set_xyzt_units("mm")
    content = bytearray(image.to_bytes())
    place, form = (112, "f") if kind == 1 else (176, "d")
    struct.pack_into(f"{order}2{form}", content, place, slope, intercept)
    path = folder / name
    is_packed = name.lower().endswith(".gz") if packed is None else packed
    path.write_bytes(gzip.compress(bytes(content), 1, mtime=0) if is_packed else content)
    return path


def nifti_colour(folder: Path, scan: Scan, *, alpha: bool = False) -> Path:
    """Write grey as RGB24 or RGBA32."""
    names = "RGBA" if alpha else "RGB"
    colours = np.zeros(scan.voxels.shape, [(name, "u1") for name in names])
    for name in names:
        colours[name] = 255 if name == "A" else scan.voxels
    path = folder / "a.nii.gz"
    nib.save(nib.Nifti1Image(colours, scan.affine), path)
    return path


# MetaImage and NRRD


def itk(folder: Path, scan: Scan, *, name: str = "a.mha", compressed: bool = False, colour: bool = False) -> Path:
    """Write with SimpleITK; grey as three components where ``colour``."""
    voxels = scan.voxels.astype(np.uint8) if scan.voxels.dtype == bool else scan.voxels
    array = np.stack([voxels.T] * 3, -1) if colour else voxels.T
    image = sitk.GetImageFromArray(array, isVector=colour)
    place = LPS @ scan.affine
    image.SetSpacing(scan.spacing.tolist())
    image.SetOrigin(place[:3, 3].tolist())
    image.SetDirection((place[:3, :3] / scan.spacing).ravel().tolist())
    path = folder / name
    sitk.WriteImage(image, str(path), compressed)
    return path


def itk_picture(folder: Path, scan: Scan, *, name: str = "a.mha") -> Path:
    """Write an axial slice as a 2D image, which lies in ITK's first two directions."""
    plane = as_picture(scan, 2)
    image = sitk.GetImageFromArray(plane)
    image.SetSpacing(SPACING[:2])
    path = folder / name
    sitk.WriteImage(image, str(path))
    return path


_NRRD_TYPES = {"int8": "int8", "uint8": "uint8", "int16": "int16", "uint16": "uint16", "int32": "int32",
               "uint32": "uint32", "int64": "int64", "uint64": "uint64", "float32": "float", "float64": "double"}  # fmt: skip
_NRRD_PACKING: dict[str, Callable[[bytes], bytes]] = {"raw": bytes, "gzip": partial(gzip.compress, mtime=0)}


def nrrd(folder: Path, scan: Scan, *, order: str = "<", encoding: str = "raw", space: str = "right-anterior-superior",
         detached: bool = False) -> Path:  # fmt: skip
    """Write NRRD by hand: byte order, encoding and the name of the space are free."""
    affine = (LPS if space == "left-posterior-superior" else np.eye(4)) @ scan.affine
    directions = " ".join(f"({','.join(map(repr, map(float, column)))})" for column in affine[:3, :3].T)
    lines = [
        *("NRRD0005", f"type: {_NRRD_TYPES[scan.voxels.dtype.name]}", "dimension: 3", f"space: {space}"),
        *(f"sizes: {' '.join(map(str, scan.voxels.shape))}", f"space directions: {directions}"),
        *("kinds: domain domain domain", f"endian: {'little' if order == '<' else 'big'}", f"encoding: {encoding}"),
        f"space origin: ({','.join(map(repr, map(float, affine[:3, 3])))})",
    ]
    content = scan.voxels.astype(scan.voxels.dtype.newbyteorder(order)).tobytes(order="F")
    body = (
        "\n".join(map(str, scan.voxels.ravel(order="F"))).encode()
        if encoding == "ascii"
        else _NRRD_PACKING[encoding](content)
    )
    if detached:
        (folder / "a.raw").write_bytes(body)
        (folder / "a.nhdr").write_text("\n".join([*lines, "data file: a.raw", ""]))
        return folder / "a.nhdr"
    (folder / "a.nrrd").write_bytes("\n".join([*lines, "", ""]).encode() + body)
    return folder / "a.nrrd"


_META_TYPES = {"int8": "CHAR", "uint8": "UCHAR", "int16": "SHORT", "uint16": "USHORT", "int32": "INT",
               "uint32": "UINT", "int64": "LONG_LONG", "uint64": "ULONG_LONG", "float32": "FLOAT",
               "float64": "DOUBLE"}  # fmt: skip


def meta_image(folder: Path, scan: Scan, *, order: str = "<", compressed: bool = False, slope: float | None = None,
               intercept: float | None = None) -> Path:  # fmt: skip
    """Write MetaImage by hand: byte order, compression, slope and intercept are free."""
    affine = LPS @ scan.affine
    matrix = " ".join(map(repr, map(float, (affine[:3, :3] / scan.spacing).T.ravel())))
    lines = [
        *("ObjectType = Image", "NDims = 3", "BinaryData = True"),
        *(f"BinaryDataByteOrderMSB = {order == '>'}", f"CompressedData = {compressed}", f"TransformMatrix = {matrix}"),
        f"Offset = {' '.join(map(repr, map(float, affine[:3, 3])))}",
        f"ElementSpacing = {' '.join(map(repr, map(float, scan.spacing)))}",
        f"DimSize = {' '.join(map(str, scan.voxels.shape))}",
        *([f"ElementToIntensityFunctionSlope = {slope}"] if slope is not None else []),
        *([f"ElementToIntensityFunctionOffset = {intercept}"] if intercept is not None else []),
        f"ElementType = MET_{_META_TYPES[scan.voxels.dtype.name]}",
        *("ElementDataFile = LOCAL", ""),
    ]
    content = scan.voxels.astype(scan.voxels.dtype.newbyteorder(order)).tobytes(order="F")
    body = zlib.compress(content) if compressed else content
    lines.insert(3, f"CompressedDataSize = {len(body)}")
    path = folder / "a.mha"
    path.write_bytes("\n".join(lines).encode() + body)
    return path


# NumPy and OME-TIFF


def numpy_volume(folder: Path, scan: Scan, *, order: str = "<", fortran: bool = False, packed: bool = False,
                 channel: bool = False) -> Path:  # fmt: skip
    """Write ``.npy`` or ``.npz``."""
    array = scan.voxels.astype(scan.voxels.dtype.newbyteorder(order))
    array = np.asfortranarray(array[None] if channel else array) if fortran else array[None] if channel else array
    if packed:
        np.savez_compressed(folder / "a.npz", image=array)
        return folder / "a.npz"
    np.save(folder / "a.npy", array)
    return folder / "a.npy"


def ome_volume(folder: Path, scan: Scan, *, order: str = "<", compression: str | None = None) -> Path:
    """Write an OME-TIFF whose columns run to L and rows to P, as those of pictures."""
    about: dict[str, object] = {"axes": "ZYX"}
    for axis, step in zip("XYZ", scan.spacing, strict=True):
        about |= {f"PhysicalSize{axis}": float(step), f"PhysicalSize{axis}Unit": "mm"}
    array = scan.voxels[::-1, ::-1].T
    path = folder / "a.ome.tif"
    tifffile.imwrite(path, array, metadata=about, byteorder=order, compression=compression, photometric="minisblack")
    return path


TOWARDS = ("left-to-right", "posterior-to-anterior", "inferior-to-superior")


def ome_zarr(folder: Path, scan: Scan, *, version: int = 3, order: str = "<", stated: bool = True,
             channel: bool = False, sharded: bool = False, compressor: Any = "auto") -> Path:  # fmt: skip
    """Write OME-Zarr 0.5 (of version 3) or 0.4 (2); columns run to L and rows to P unless the axes state R and A."""
    import zarr

    lps = scan if stated else scan.turned(((0, 1, 2), (True, True, False)))
    array = lps.voxels.astype(scan.voxels.dtype.newbyteorder(order)).T
    array = array[None] if channel else array
    group = zarr.open_group(folder / "a.ome.zarr", mode="w", zarr_format=version)
    stored = group.create_array(
        "full", shape=array.shape, dtype=array.dtype, chunks=(*array.shape[:-3], 4, 4, 4), compressors=compressor,
        shards=(*array.shape[:-3], 8, 8, 12) if sharded else None,
    )  # fmt: skip
    stored[:] = array
    origin = (lps.affine if stated else LPS @ lps.affine)[:3, 3]
    axes: list[dict[str, Any]] = [{"name": name, "type": "space", "unit": "millimeter"} for name in "xyz"]
    if stated:
        axes = [
            {**axis, "orientation": {"type": "anatomical", "value": way}}
            for axis, way in zip(axes, TOWARDS, strict=True)
        ]
    first = [1.0] if channel else []
    steps = [
        {"type": "scale", "scale": [*first, *lps.spacing[::-1].tolist()]},
        {"type": "translation", "translation": [0.0, *origin[::-1].tolist()][not channel :]},
    ]
    about = {
        "axes": [*([{"name": "c", "type": "channel"}] if channel else []), *axes[::-1]],
        "datasets": [{"path": "full", "coordinateTransformations": steps}],
    }
    images = {"multiscales": [about], "version": "0.5"}
    group.attrs.update({"ome": images} if version == 3 else {"multiscales": [{**about, "version": "0.4"}]})
    return folder / "a.ome.zarr"


def in_tar(folder: Path, write: Callable[[Path], Path]) -> Path:
    """Return the name of what ``write`` writes as a file of a tar archive."""
    file = write(folder)
    with tarfile.open(folder / "shard-000.tar", "w") as archive:
        archive.add(file, f"cases/{file.name}")
    file.unlink()
    return folder / f"shard-000.tar#cases/{file.name}"


# Pictures


def as_picture(scan: Scan, axis: int) -> Voxels:
    """Return a slice of a scan in R, A, S as a radiologist's screen shows it, ``(rows, columns)``.

    Columns run to the patient's left, or backwards in sagittal planes; rows run backwards, or down.
    """
    plane = scan.slice(axis).voxels.squeeze(axis)
    return np.ascontiguousarray(plane[::-1, ::-1].T)


def picture(folder: Path, pixels: Voxels, *, name: str = "a.png", **options: Any) -> Path:
    """Write ``(rows, columns[, channels])`` with Pillow."""
    path = folder / name
    Pillow.fromarray(pixels.astype(np.uint8) if pixels.dtype == bool else pixels).save(path, **options)
    return path


def deep_picture(folder: Path, pixels: Voxels) -> Path:
    """Write ``(rows, columns, channels)`` as PNG of 16 bits per channel, which Pillow cannot."""
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=True), str(folder / "a.png"))
    return folder / "a.png"


def tiff(folder: Path, pixels: Voxels, *, order: str = "<", **options: Any) -> Path:
    """Write a TIFF of one page with tifffile."""
    kind = "rgb" if pixels.ndim == 3 else "minisblack"
    path = folder / "a.tif"
    tifffile.imwrite(path, pixels, byteorder=order, **{"photometric": kind, "metadata": None, **options})
    return path


def numpy_picture(folder: Path, pixels: Voxels, *, order: str = "<") -> Path:
    """Write ``(rows, columns)`` as ``.npy``."""
    np.save(folder / "a.npy", pixels.astype(pixels.dtype.newbyteorder(order)))
    return folder / "a.npy"


def grey_as_rgb(pixels: Voxels) -> Voxels:
    """Return ``(rows, columns)`` as three equal channels."""
    return np.stack([pixels] * 3, -1)
