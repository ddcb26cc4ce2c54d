"""Any value in any field of a header: an image or one sentence, never a traceback and never the end of the process."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Pillow
from tests import storages as stored
from tests.factories import write_nifti
from tests.storages import make_scan

from gandlf_synth.data.formats.readers import UnreadableError, read_image, source_files
from gandlf_synth.data.formats.scan import FileScan, identity, scan_file, scan_files

SCAN = make_scan().as_type("int16")
WRONG = ["", "nan", "inf", "0", "-1", "x", "1e400", "0 0 0", "nan nan nan", "/etc/passwd", "../a", "a\0b", "a" * 300,
         "(nan,0,0) (0,1,0) (0,0,1)", "(0,0,0) (0,0,0) (0,0,0)"]  # fmt: skip
WRONG_NUMBERS = (0, -1, 1, 7, 2**15 - 1, -(2**15), math.nan, math.inf, -math.inf, 1e30)


def check_said(path: Path) -> FileScan:
    """Scan a file as ``check`` does; whatever is wrong must be in the scan."""
    assert source_files(path)
    assert identity(path)
    scan = scan_file(path)
    assert scan.problem is None or str(path.parent) not in scan.problem[0]
    return scan


@pytest.mark.parametrize("kind", [1, 2])
@np.errstate(all="ignore")
def test_any_number_in_any_field_of_nifti(tmp_path: Path, kind: int) -> None:
    content = stored.nifti(tmp_path, SCAN, kind=kind).read_bytes()
    path = tmp_path / "damaged.nii"
    types = {1: nib.Nifti1Header, 2: nib.Nifti2Header}[kind].template_dtype
    for field, place, *_ in types.fields.values():
        base = field.base
        for number in WRONG_NUMBERS if base.kind in "iuf" else ():
            if base.kind == "f" or math.isfinite(number):
                wrong = np.array([number]).astype(base).tobytes()
                path.write_bytes(content[:place] + wrong + content[place + len(wrong) :])
                check_said(path)


@pytest.mark.parametrize(
    "write",
    [
        partial(stored.meta_image, slope=2, intercept=1),
        partial(stored.meta_image, compressed=True),
        stored.nrrd,
        partial(stored.nrrd, encoding="gzip"),
        partial(stored.nrrd, detached=True),
    ],
)
def test_any_text_in_any_field_of_metaimage_and_nrrd(tmp_path: Path, write: Callable[..., Path]) -> None:
    whole = write(tmp_path, SCAN)
    separator, end = (b"=", b"LOCAL") if whole.suffix == ".mha" else (b":", b"\n\n")
    content = whole.read_bytes()
    size = content.find(end) % (len(content) + 1)
    path = tmp_path / f"damaged{whole.suffix}"
    lines = content[:size].split(b"\n")
    for number, line in enumerate(lines):
        name = line.partition(separator)[0] + separator
        for text in WRONG if separator in line else ():
            changed = [*lines[:number], name + text.encode(), *lines[number + 1 :]]
            path.write_bytes(b"\n".join(changed) + content[size:])
            check_said(path)


@pytest.mark.parametrize("slope", [0, math.nan])
def test_a_slope_that_is_none_leaves_nifti_as_it_is(tmp_path: Path, slope: float) -> None:
    """NIfTI-1: a slope of 0 means that voxels are not scaled; nibabel writes NaN for it."""
    path = stored.nifti(tmp_path, SCAN, slope=slope, intercept=7)

    assert np.array_equal(read_image(path).array[0], SCAN.voxels)


@pytest.mark.parametrize(("slope", "intercept"), [(math.inf, 0), (1, math.nan), (2, math.inf)])
def test_a_scale_that_makes_no_numbers_is_refused(tmp_path: Path, slope: float, intercept: float) -> None:
    path = stored.nifti(tmp_path, SCAN, slope=slope, intercept=intercept)

    with pytest.raises(UnreadableError, match="damaged NIfTI header: values cannot be scaled"):
        read_image(path)


def test_a_header_that_names_other_files_is_one_row_among_good_ones(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mhd"
    text = stored.itk(tmp_path, SCAN, name="a.mhd").read_text()
    bad.write_text(text.replace("a.raw", "/etc/passwd"))
    good = write_nifti(tmp_path / "good.nii", SCAN.voxels)

    scans = scan_files([bad, good], tmp_path / "cache")

    assert "outside its own folder" in (scans[bad].problem or ("",))[0]
    assert scans[good].problem is None


@pytest.mark.parametrize(
    "write",
    [partial(stored.meta_image, compressed=True), partial(stored.nrrd, encoding="gzip"), partial(stored.itk, name="a.nrrd", compressed=True)],
)  # fmt: skip
def test_damaged_packed_voxels_are_refused_and_not_read_as_noise(tmp_path: Path, write: Callable[..., Path]) -> None:
    """ITK says only on the screen that it could not unpack them."""
    path = write(tmp_path, SCAN)
    content = bytearray(path.read_bytes())
    for place in range(len(content) - 300, len(content) - 12, 40):
        damaged = content.copy()
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError, match=r"damaged|truncated"):
            read_image(path)


def test_of_a_cameras_several_pictures_the_first_is_read(tmp_path: Path) -> None:
    first, preview = (np.full((16, 24, 3), level, np.uint8) for level in (40, 200))
    pictures = [Pillow.fromarray(pixels) for pixels in (first, preview)]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:], quality=100)

    image = read_image(tmp_path / "a.jpg")

    assert np.allclose(image.array, 40, atol=2)
    assert image.array.shape == (3, 24, 16)
