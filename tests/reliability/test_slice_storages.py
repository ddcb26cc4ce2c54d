"""One slice, many storages: in any plane, as a volume with one voxel along any axis, or as a picture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests import dicom_storages as dicom
from tests import storages as stored
from tests.dicom_storages import Coding
from tests.reliability.storage_checks import PLANES, SCAN, Write, check_slice, prepared, turns
from tests.storages import NUMBER_TYPES, TURNS, Turn, as_picture


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(
    ("write", "turn"), turns({"nifti": stored.nifti, "nrrd": stored.nrrd, "mha": stored.meta_image})
)
def test_a_volume_with_one_voxel_along_any_axis_is_a_slice(
    tmp_path: Path, write: Callable[..., Path], turn: Turn, plane: str
) -> None:
    scan = SCAN.slice(PLANES[plane]).as_type("int16").turned(turn)

    check_slice(prepared(write(tmp_path, scan)), SCAN, PLANES[plane])


def in_plane(turn: Turn, axis: int) -> bool:
    """Say whether a turn leaves the axis with one voxel last, where formats of two axes want it."""
    return turn[0][2] == axis


@pytest.mark.parametrize(
    ("plane", "turn"),
    [
        pytest.param(plane, turn, id=f"{plane} {turn}")
        for plane, axis in PLANES.items()
        for turn in TURNS
        if in_plane(turn, axis)
    ],
)
@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_slices_with_geometry(tmp_path: Path, kind: str, plane: str, turn: Turn) -> None:
    scan = SCAN.slice(PLANES[plane]).as_type("int16").turned(turn)

    if kind == "nifti":
        path = stored.nifti(tmp_path, scan, shape=scan.voxels.shape[:2])
    else:
        path = dicom.dicom_slice(tmp_path, scan)
    check_slice(prepared(path), SCAN, PLANES[plane])


AXIAL = as_picture(SCAN, 2)
PICTURES: dict[str, Write] = {
    **{f"png {kind}": partial(stored.picture, pixels=AXIAL.astype(kind)) for kind in ("uint8", "uint16")},
    "png grey as rgb": partial(stored.picture, pixels=stored.grey_as_rgb(AXIAL.astype("uint8"))),
    "png uint16 grey as rgb": partial(stored.deep_picture, pixels=stored.grey_as_rgb(AXIAL.astype("uint16"))),
    "png grey with alpha": lambda folder: _with_mode(folder, "LA"),
    "png rgba": lambda folder: _with_mode(folder, "RGBA"),
    "png palette": lambda folder: _with_mode(folder, "P"),
    "bmp": partial(stored.picture, pixels=AXIAL.astype("uint8"), name="a.bmp"),
    "bmp grey as rgb": partial(stored.picture, pixels=stored.grey_as_rgb(AXIAL.astype("uint8")), name="a.bmp"),
    **{
        f"tiff {kind} {order}": partial(stored.tiff, pixels=AXIAL.astype(kind), order=order)
        for kind in NUMBER_TYPES
        if kind != "bool"
        for order in "<>"
    },
    **{
        f"tiff rgb {kind} {planar}": partial(
            stored.tiff,
            pixels=stored.grey_as_rgb(AXIAL.astype(kind))
            if planar == "contig"
            else np.stack([AXIAL.astype(kind)] * 3),
            planarconfig=planar,
            photometric="rgb",
        )
        for kind in ("uint8", "uint16", "float32")
        for planar in ("contig", "separate")
    },
    "tiff miniswhite": partial(stored.tiff, pixels=255 - AXIAL.astype("uint8"), photometric="miniswhite"),
    "tiff miniswhite uint16": partial(stored.tiff, pixels=65535 - AXIAL.astype("uint16"), photometric="miniswhite"),
    "tiff deflate": partial(stored.tiff, pixels=AXIAL.astype("uint16"), compression="zlib"),
    "tiff deflate predictor": partial(
        stored.tiff, pixels=AXIAL.astype("uint16"), compression="zlib", predictor=True
    ),
    "tiff strips": partial(stored.tiff, pixels=AXIAL.astype("int16"), rowsperstrip=3),
    "tiff tiles": partial(stored.tiff, pixels=AXIAL.astype("int16"), tile=(16, 16)),
    "bigtiff": partial(stored.tiff, pixels=AXIAL.astype("int16"), bigtiff=True),
    **{
        f"npy {kind} {order}": partial(stored.numpy_picture, pixels=AXIAL.astype(kind), order=order)
        for kind in NUMBER_TYPES
        if kind != "bool"
        for order in "<>"
    },
    **{
        f"2D {ending}": partial(stored.itk_picture, scan=SCAN.as_type("int16"), name=f"a.{ending}")
        for ending in ("mha", "mhd", "nrrd", "nhdr", "nii", "nii.gz", "tif")
    },
    "dicom without place": partial(dicom.dicom_projection, picture=AXIAL, modality="OT", photometric="MONOCHROME2"),
    "dicom grey as rgb": lambda folder: dicom.dicom_projection(
        folder, stored.grey_as_rgb(AXIAL), "OT", "RGB", coding=Coding(bits=8, signed=False, slope=None, intercept=None)
    ),
}  # fmt: skip


def _with_mode(folder: Path, mode: str) -> Path:
    from PIL import Image as Pillow

    Pillow.fromarray(AXIAL.astype(np.uint8)).convert(mode).save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.parametrize("write", [pytest.param(write, id=name) for name, write in PICTURES.items()])
def test_pictures(tmp_path: Path, write: Write) -> None:
    check_slice(prepared(write(tmp_path)), SCAN, 2, placed=False)


@pytest.mark.parametrize("plane", PLANES)
def test_pictures_are_laid_as_slices_are(tmp_path: Path, plane: str) -> None:
    axis = PLANES[plane]
    pixels = as_picture(SCAN, axis).astype(np.uint8)

    shown = prepared(stored.picture(tmp_path, pixels))
    placed = prepared(stored.nifti(tmp_path, SCAN.slice(axis).as_type("int16")))

    assert np.array_equal(shown.array, placed.array)
