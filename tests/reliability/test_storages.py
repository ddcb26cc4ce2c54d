"""One image, many storages: however an image is stored, a network sees the same numbers in the same places."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless
from tests import dicom_storages as dicom
from tests import storages as stored
from tests.dicom_storages import SYNTAXES, Coding
from tests.reliability.storage_checks import SCAN, Case, Write, check_volume, prepared, turns
from tests.storages import HIGHEST, NUMBER_TYPES, TURNS, Scan, Turn

# Number types and byte orders


def of_types(write: Callable[..., Path], types: tuple[str, ...], **options: Any) -> Iterator[Case]:
    for kind in types:
        values = SCAN.voxels > HIGHEST // 2 if kind == "bool" else SCAN.voxels
        yield kind, partial(write, scan=Scan(values, SCAN.affine).as_type(kind), **options)


def named(name: str, cases: Iterator[Case]) -> list[Any]:
    return [pytest.param(write, kind == "bool", id=f"{name} {kind}") for kind, write in cases]


IN_NIFTI = tuple(kind for kind in NUMBER_TYPES if kind not in {"bool", "float16"})
NUMBERS = [
    case
    for order in "<>"
    for case in [
        *named(f"nifti1 {order}", of_types(stored.nifti, IN_NIFTI, order=order)),
        *named(f"nifti2 {order}", of_types(stored.nifti, IN_NIFTI, order=order, kind=2)),
        *named(f"npy {order}", of_types(stored.numpy_volume, NUMBER_TYPES, order=order)),
        *named(f"npz {order}", of_types(stored.numpy_volume, NUMBER_TYPES, order=order, packed=True)),
        *named(f"nrrd {order}", of_types(stored.nrrd, IN_NIFTI, order=order)),
        *named(f"mha {order}", of_types(stored.meta_image, IN_NIFTI, order=order)),
    ]
] + [
    *named("ome-tiff", of_types(stored.ome_volume, tuple(kind for kind in IN_NIFTI if kind not in {"int64", "uint64"}))),
    *named("simpleitk", of_types(stored.itk, IN_NIFTI)),
]  # fmt: skip


@pytest.mark.parametrize(("write", "is_mask"), NUMBERS)
def test_number_types_and_byte_orders(tmp_path: Path, write: Write, is_mask: bool) -> None:
    expected = Scan((SCAN.voxels > HIGHEST // 2).astype(int), SCAN.affine) if is_mask else SCAN

    check_volume(prepared(write(tmp_path)), expected, placed=False)


# Containers, compressions, names


CONTAINERS: dict[str, Write] = {
    "nii": partial(stored.nifti, scan=SCAN.as_type("int16")),
    "nii.gz": partial(stored.nifti, scan=SCAN.as_type("int16"), name="a.nii.gz"),
    "NII.GZ": partial(stored.nifti, scan=SCAN.as_type("int16"), name="A.NII.GZ"),
    "gzipped nii": partial(stored.nifti, scan=SCAN.as_type("int16"), name="a.nii", packed=True),
    "plain nii.gz": partial(stored.nifti, scan=SCAN.as_type("int16"), name="a.nii.gz", packed=False),
    "nifti2 gzipped": partial(stored.nifti, scan=SCAN.as_type("int16"), name="a.nii.gz", kind=2),
    "nifti of four axes": partial(stored.nifti, scan=SCAN.as_type("int16"), shape=(9, 8, 7, 1)),
    "nifti of five axes": partial(stored.nifti, scan=SCAN.as_type("int16"), shape=(9, 8, 7, 1, 1)),
    "nifti rgb": partial(stored.nifti_colour, scan=SCAN),
    "nifti rgba": partial(stored.nifti_colour, scan=SCAN, alpha=True),
    **{
        f"{ending} {packing}": partial(stored.itk, scan=SCAN.as_type("int16"), name=f"a.{ending}", compressed=packing)
        for ending in ("mha", "mhd", "nrrd", "nhdr", "nii")
        for packing in (False, True)
    },
    "mha rgb": partial(stored.itk, scan=SCAN.as_type("uint8"), colour=True),
    "nrrd rgb": partial(stored.itk, scan=SCAN.as_type("uint8"), name="a.nrrd", colour=True),
    "mha zlib": partial(stored.meta_image, scan=SCAN.as_type("int16"), compressed=True),
    **{
        f"nrrd {encoding} {space}": partial(stored.nrrd, scan=SCAN.as_type("int16"), encoding=encoding, space=space)
        for encoding in ("raw", "gzip", "ascii")
        for space in ("right-anterior-superior", "left-posterior-superior")
    },
    "nhdr detached": partial(stored.nrrd, scan=SCAN.as_type("int16"), detached=True),
    **{
        f"ome-zarr {version} {order}": partial(
            stored.ome_zarr,
            scan=SCAN.as_type("int16"),
            version=version,
            order=order,
            stated=order == "<",
            channel=order == "<",
        )
        for version in (2, 3)
        for order in "<>"
    },
    "ome-zarr sharded": partial(stored.ome_zarr, scan=SCAN.as_type("uint8"), sharded=True),
    "nifti in tar": partial(stored.in_tar, write=partial(stored.nifti, scan=SCAN.as_type("int16"), name="a.nii.gz")),
    "mha in tar": partial(stored.in_tar, write=partial(stored.itk, scan=SCAN.as_type("int16"))),
    "dicom series": partial(dicom.dicom_series, scan=SCAN),
    "dicom frames": partial(dicom.dicom_frames, scan=SCAN),
    "dicom nuclear": partial(dicom.dicom_nuclear, scan=SCAN),
    "dicom dose": partial(dicom.dicom_dose, scan=SCAN),
    "dicom enhanced": partial(dicom.dicom_enhanced, scan=SCAN),
    "dicom enhanced, scale per frame": partial(dicom.dicom_enhanced, scan=SCAN, shared_scale=False),
}
UNPLACED: dict[str, Write] = {
    "npy": partial(stored.numpy_volume, scan=SCAN),
    "npy fortran": partial(stored.numpy_volume, scan=SCAN, fortran=True),
    "npy channel": partial(stored.numpy_volume, scan=SCAN, channel=True),
    "npz": partial(stored.numpy_volume, scan=SCAN, packed=True),
    **{
        f"ome-tiff {order} {compression}": partial(
            stored.ome_volume, scan=SCAN.as_type("uint16"), order=order, compression=compression
        )
        for order in "<>"
        for compression in (None, "zlib")
    },
}


@pytest.mark.parametrize("write", [pytest.param(write, id=name) for name, write in CONTAINERS.items()])
def test_containers(tmp_path: Path, write: Write) -> None:
    check_volume(prepared(write(tmp_path)))


@pytest.mark.parametrize("write", [pytest.param(write, id=name) for name, write in UNPLACED.items()])
def test_containers_that_know_no_patient(tmp_path: Path, write: Write) -> None:
    check_volume(prepared(write(tmp_path)), placed=False)


# Axes


TURNED: dict[str, Callable[..., Path]] = {
    "nifti": stored.nifti,
    "nrrd": stored.nrrd,
    "mha": stored.meta_image,
    "series": dicom.dicom_series,
    "frames": dicom.dicom_frames,
    "nuclear": dicom.dicom_nuclear,
    "dose": dicom.dicom_dose,
    "enhanced": dicom.dicom_enhanced,
}


@pytest.mark.parametrize(("write", "turn"), turns(TURNED))
def test_every_order_and_direction_of_axes(tmp_path: Path, write: Callable[..., Path], turn: Turn) -> None:
    check_volume(prepared(write(tmp_path, SCAN.as_type("int16").turned(turn))))


# DICOM's codings


CODINGS = [
    *(Coding(bits, signed) for bits in (8, 12, 16) for signed in (False, True)),
    *(Coding(12, signed, high_bits=True) for signed in (False, True)),
    *(Coding(16, False, slope, intercept) for slope, intercept in ((1, -1024), (2, -40), (0.5, -3), (1, 0))),
    *(Coding(16, True, slope, intercept) for slope, intercept in ((1, -1024), (-1, HIGHEST), (0.25, 7))),
    Coding(16, True, None, None),
    *(Coding(bits, signed, syntax=syntax) for syntax in SYNTAXES for bits in (8, 12, 16) for signed in (False, True)),
]


@pytest.mark.parametrize("coding", [pytest.param(coding, id=str(coding)) for coding in CODINGS])
@pytest.mark.parametrize("write", [pytest.param(dicom.dicom_series, marks=pytest.mark.slow), dicom.dicom_frames])
def test_codings_of_dicom(tmp_path: Path, write: Callable[..., Path], coding: Coding) -> None:
    shape = (40, 36, 3) if coding.syntax == JPEG2000Lossless else (10, 8, 3)
    scan = stored.make_scan(shape, step=int(coding.slope or 1) if coding.slope == 2 else 1)

    check_volume(prepared(write(tmp_path, scan, coding=coding)), scan)


# Slope and intercept


SCALES = [(1.0, 0.0), (2.0, 0.0), (1.0, -1024.0), (0.5, 3.0), (-1.0, 120.0), (0.1, 0.0)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ["int16", "int32", "float32", "float64", "int64"])
@pytest.mark.parametrize("write", [stored.nifti, partial(stored.nifti, kind=2), stored.meta_image])
def test_slope_and_intercept_in_the_header_are_the_same_as_applied(
    tmp_path: Path, write: Callable[..., Path], kind: str, scale: tuple[float, float]
) -> None:
    slope, intercept = scale
    scan = stored.make_scan(step=2) if slope == 2 else SCAN
    numbers = np.rint((scan.voxels - intercept) / slope).astype(kind)

    image = prepared(write(tmp_path, Scan(numbers, scan.affine), slope=slope, intercept=intercept))

    check_volume(image, scan, tolerance=1e-5)


# Everything at once


@st.composite
def storages(draw: st.DrawFn) -> tuple[Scan, Write]:
    """Draw a scan that lies obliquely, and a way to store it with its axes in any order and direction."""
    shape, angles = draw(st.tuples(*[st.integers(2, 9)] * 3)), draw(st.tuples(*[st.floats(-0.3, 0.3)] * 3))
    scan = stored.make_scan(shape, angles, step=2)
    turned = scan.turned(draw(st.sampled_from(TURNS)))
    slope, intercept = draw(st.sampled_from([(1, 0), (1, -6), (2, 0), (2, -8)]))
    numbers = Scan((turned.voxels - intercept) // slope, turned.affine)
    number, order = draw(st.sampled_from(IN_NIFTI)), draw(st.sampled_from("<>"))
    scale = {"slope": slope, "intercept": intercept}
    coding = Coding(16, draw(st.booleans()), slope, intercept, draw(st.sampled_from(SYNTAXES[:-1])))
    writers: list[Write] = [
        partial(
            stored.nifti, scan=numbers.as_type(number), order=order, kind=draw(st.sampled_from([1, 2])),
            name=draw(st.sampled_from(["a.nii", "a.nii.gz"])), packed=draw(st.booleans()), **scale,
        ),
        partial(stored.meta_image, scan=numbers.as_type(number), order=order, compressed=draw(st.booleans()), **scale),
        partial(
            stored.nrrd, scan=turned.as_type(number), order=order, detached=draw(st.booleans()),
            encoding=draw(st.sampled_from(["raw", "gzip", "ascii"])),
        ),
        *(
            partial(write, scan=turned, coding=coding)
            for write in (dicom.dicom_series, dicom.dicom_frames, dicom.dicom_nuclear, dicom.dicom_enhanced)
        ),
    ]  # fmt: skip
    return scan, draw(st.sampled_from(writers))


quick = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check_one(storage: tuple[Scan, Write]) -> None:
    scan, write = storage
    with TemporaryDirectory() as folder:
        check_volume(prepared(write(Path(folder))), scan, tolerance=1e-5)


@quick
@given(storages())
def test_any_storage(storage: tuple[Scan, Write]) -> None:
    check_one(storage)


@pytest.mark.slow
@settings(quick, max_examples=3000)
@given(storages())
def test_very_many_storages(storage: tuple[Scan, Write]) -> None:
    check_one(storage)
