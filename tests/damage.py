"""Small valid files of every format, and ways to damage them."""

import gzip
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
import tifffile
from hypothesis import strategies as st
from PIL import Image as Pillow
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid

from tests.factories import blob, dicom_slice, pack

VOXELS = np.random.default_rng(0).integers(0, 2000, (9, 8, 7)).astype(np.int16)
PIXELS = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)


def _nifti(kind: type) -> bytes:
    return kind(blob((9, 8, 7), 0), np.eye(4)).to_bytes()


def _picture(kind: str, pixels: np.ndarray = PIXELS) -> bytes:
    stream = BytesIO()
    Pillow.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _palette() -> bytes:
    stream = BytesIO()
    Pillow.fromarray(PIXELS).quantize(16).save(stream, "PNG")
    return stream.getvalue()


def _tiff(**options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, PIXELS, photometric="rgb", **options)
    return stream.getvalue()


def _ome() -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, VOXELS, ome=True, metadata={"axes": "ZYX"})
    return stream.getvalue()


def _slide() -> bytes:
    stream = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    about = "Aperio Image Library v10\n128x128 [0,0 128x128] (64x64) |AppMag = 20|MPP = 0.5"
    tifffile.imwrite(
        stream, pixels, tile=(64, 64), photometric="rgb", compression="deflate", description=about, metadata=None
    )
    return stream.getvalue()


def _numpy(compressed: bool) -> bytes:
    stream = BytesIO()
    if compressed:
        np.savez_compressed(stream, image=VOXELS)
    else:
        np.save(stream, VOXELS)
    return stream.getvalue()


def _dicom(syntax: str | None = None, shape: tuple[int, int] = (24, 20)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 2000, shape).astype(np.int16)
    dataset = dicom_slice(generate_uid(entropy_srcs=["fixed"]), 0, pixels)
    if syntax:
        dataset.compress(syntax, pixels, generate_instance_uid=False)
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _bundled(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def _itk(suffix: str, compressed: bool, folder: Path) -> bytes:
    path = folder / f"valid{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path), compressed)
    return path.read_bytes()


def valid_files(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return file-name ending and content of a valid file of every format, by a name; ``folder`` is for scratch."""
    nifti = _nifti(nib.Nifti1Image)
    return {
        "nifti1": (".nii", nifti),
        "nifti1 gzip": (".nii.gz", gzip.compress(nifti, mtime=0)),
        "nifti2": (".nii", _nifti(nib.Nifti2Image)),
        "png": (".png", _picture("PNG")),
        "png palette": (".png", _palette()),
        "jpeg": (".jpg", _picture("JPEG")),
        "bmp": (".bmp", _picture("BMP")),
        "tiff": (".tif", _tiff()),
        "tiff deflate": (".tif", _tiff(compression="deflate")),
        "ome-tiff": (".ome.tif", _ome()),
        "slide": (".svs", _slide()),
        "npy": (".npy", _numpy(compressed=False)),
        "npz": (".npz", _numpy(compressed=True)),
        "tar": (".tar", pack(folder / "valid.tar", {"cases/a.png": _picture("PNG"), "cases/a.cls": b"1"}).read_bytes()),
        "dicom": (".dcm", _dicom()),
        "dicom rle": (".dcm", _dicom(RLELossless)),
        "dicom jpeg 2000": (".dcm", _dicom(JPEG2000Lossless, (64, 48))),
        "dicom jpeg": (".dcm", _bundled("SC_rgb_dcmtk_+eb+cr.dcm")),
        "dicom jpeg lossless": (".dcm", _bundled("SC_rgb_jpeg_gdcm.dcm")),
        "dicom jpeg-ls": (".dcm", _bundled("MR_small_jpeg_ls_lossless.dcm")),
        "mha": (".mha", _itk(".mha", False, folder)),
        "mha zlib": (".mha", _itk(".mha", True, folder)),
        "nrrd": (".nrrd", _itk(".nrrd", False, folder)),
        "nrrd gzip": (".nrrd", _itk(".nrrd", True, folder)),
    }


def cell_of(path: Path) -> str:
    """Return what a CSV cell says to read a file: of a slide, a patch; of an archive, a picture."""
    parts = {".svs": "#0,0,64,20", ".tar": "#cases/a.png"}
    return f"{path.name}{parts.get(path.suffix, '')}"


def _flipped(content: bytes, places: list[tuple[float, int]]) -> bytes:
    damaged = bytearray(content)
    for share, value in places:
        damaged[int(share * len(damaged))] ^= value
    return bytes(damaged)


def _overwritten(content: bytes, share: float, rubbish: bytes) -> bytes:
    place = int(share * len(content))
    return content[:place] + rubbish + content[place + len(rubbish) :]


share = st.floats(0, 1, exclude_max=True)
early = st.floats(0, 0.2)
bits = st.integers(1, 255)

Damage = Callable[[bytes], bytes]

damages: st.SearchStrategy[Damage] = st.one_of(
    share.map(lambda part: lambda content: content[: int(part * len(content))]),
    st.lists(st.tuples(share, bits), min_size=1, max_size=8).map(
        lambda where: lambda content: _flipped(content, where)
    ),
    st.lists(st.tuples(early, bits), min_size=1, max_size=4).map(
        lambda where: lambda content: _flipped(content, where)
    ),
    st.tuples(share, st.binary(min_size=1, max_size=64)).map(lambda how: lambda content: _overwritten(content, *how)),
    st.tuples(early, st.sampled_from([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 8, b"\xff" * 32])).map(
        lambda how: lambda content: _overwritten(content, *how)
    ),
    st.tuples(share, share).map(
        lambda ends: lambda content: content[: int(min(ends) * len(content))] + content[int(max(ends) * len(content)) :]
    ),
    st.binary(max_size=600).map(lambda rubbish: lambda _content: rubbish),
    st.binary(min_size=1, max_size=600).map(lambda rubbish: lambda content: content + rubbish),
)
"""Truncated anywhere, flipped bytes, absurd values in headers, holes, rubbish, and rubbish at the end."""


def giant_files() -> dict[str, tuple[str, bytes]]:
    """Return tiny files that declare images of gigabytes and more."""
    nifti = bytearray(_nifti(nib.Nifti1Image))
    nifti[40:56] = np.array([3, 30_000, 30_000, 30_000, 1, 1, 1, 1], np.int16).tobytes()
    npy = BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    header = _nrrd_header("100000 100000 100000")
    meta = b"NDims = 3\nDimSize = 100000 100000 100000\nElementType = MET_FLOAT\nCompressedData = True\nElementDataFile = LOCAL\n"
    dicom = _dicom().replace(
        struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 24), struct.pack("<HH2sHH", 0x28, 0x10, b"US", 2, 65_535)
    )
    squashed = gzip.compress(bytes(200_000_000), 9, mtime=0)
    small = bytearray(_nifti(nib.Nifti1Image))
    small[40:56] = np.array([3, 3000, 3000, 3000, 1, 1, 1, 1], np.int16).tobytes()
    return {
        "nifti": (".nii", bytes(nifti)),
        "nifti gzip": (".nii.gz", gzip.compress(bytes(nifti), mtime=0)),
        "nifti gzip bomb": (".nii.gz", gzip.compress(bytes(small[:352]), mtime=0) + squashed),
        "npy": (".npy", npy.getvalue() + bytes(100)),
        "nrrd": (".nrrd", header + gzip.compress(bytes(1000), mtime=0)),
        "mha": (".mha", meta + zlib.compress(bytes(1000))),
        "dicom": (
            ".dcm",
            dicom.replace(
                struct.pack("<HH2sHH", 0x28, 0x11, b"US", 2, 20), struct.pack("<HH2sHH", 0x28, 0x11, b"US", 2, 65_535)
            ),
        ),
        "png": (".png", _giant_png()),
        "tiff": (".tif", _giant_tiff()),
    }


def _nrrd_header(sizes: str) -> bytes:
    return f"NRRD0004\ntype: float\ndimension: 3\nsizes: {sizes}\nencoding: gzip\nendian: little\n\n".encode()


def _giant_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = struct.pack(">IIBBBBB", 100_000, 100_000, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", start), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _giant_tiff() -> bytes:
    content = bytearray(_tiff(compression="deflate"))
    with tifffile.TiffFile(BytesIO(bytes(content))) as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tag = tiff.pages[0].tags[name]
            size = 2 if tag.dtype == 3 else 4
            content[tag.valueoffset : tag.valueoffset + size] = (
                b"\xff" * size if size == 2 else struct.pack("<I", 2_000_000)
            )
    return bytes(content)
