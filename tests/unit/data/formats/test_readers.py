"""Readers give the file's own values and grid, and refuse what is damaged."""

from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from tests.factories import Array, blob, write_nifti, write_picture

from gandlf_synth.data.formats.readers import UnreadableError, read_image

OBLIQUE = np.array([[1.8, 0.3, 0.1, -12], [-0.3, 1.9, 0.2, 5], [0.1, -0.2, 2.5, 33], [0, 0, 0, 1]])


@pytest.mark.parametrize("shape", [(7, 5, 4), (7, 5), (7, 5, 1), (7, 5, 4, 1)])
def test_nifti_keeps_values_and_affine(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 20
    image = read_image(write_nifti(tmp_path / "a.nii.gz", array, OBLIQUE))

    squeezed = array.squeeze() if 1 in shape else array
    assert image.geometry.shape == squeezed.shape
    assert np.allclose(image.geometry.affine, OBLIQUE, atol=1e-5)
    assert np.array_equal(image.array[0], squeezed)
    assert image.dtype == "int16"


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.array([[[0, 100]]], np.int16).repeat(2, 0).repeat(2, 1), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nib.save(image, tmp_path / "ct.nii")
    stored = nib.load(tmp_path / "ct.nii").get_fdata()

    assert np.allclose(read_image(tmp_path / "ct.nii").array[0], stored)


def test_a_series_of_volumes_is_refused_with_their_number(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "fmri.nii.gz", np.zeros((4, 4, 4, 7), np.float32))

    with pytest.raises(UnreadableError, match="7 volumes"):
        read_image(path)


@pytest.mark.parametrize(
    ("mode", "channels", "dtype"),
    [("L", 1, "uint8"), ("RGB", 3, "uint8"), ("I;16", 1, "uint16"), ("P", 3, "uint8"), ("1", 1, "uint8")],
)
def test_png_keeps_depth_and_axes(tmp_path: Path, mode: str, channels: int, dtype: str) -> None:
    pixels = np.zeros((6, 9), np.uint16 if mode == "I;16" else np.uint8)
    pixels[1, 7] = 60_000 if mode == "I;16" else 255  # row 1, column 7
    picture = Pillow.fromarray(pixels)
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.png")

    image = read_image(tmp_path / "a.png")

    assert image.array.shape == (channels, 9, 6)
    assert image.dtype == dtype
    assert image.array[0, 7, 1] == pixels.max()
    assert not image.geometry.physical


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("colour", [False, True])
def test_tiff_keeps_depth_and_axes(tmp_path: Path, dtype: type, colour: bool) -> None:
    pixels: Array = np.zeros((6, 9, 3) if colour else (6, 9), dtype)
    pixels[1, 7] = 200
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb" if colour else "minisblack")

    image = read_image(tmp_path / "a.tif")

    assert image.array.shape == (3 if colour else 1, 9, 6)
    assert image.dtype == np.dtype(dtype).name
    assert np.flatnonzero(image.array[0]).tolist() == [7 * 6 + 1]


def test_transparency_is_kept_and_an_opaque_alpha_dropped(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    write_picture(tmp_path / "opaque.png", pixels)
    pixels[0, 0, 3] = 0
    write_picture(tmp_path / "transparent.png", pixels)

    assert read_image(tmp_path / "opaque.png").num_channels == 3
    assert read_image(tmp_path / "transparent.png").num_channels == 4


def encoded(kind: str) -> bytes:
    stream = BytesIO()
    if kind in (".nii", ".nii.gz"):
        image = nib.Nifti1Image(blob((9, 8, 7), 0), np.eye(4))
        content = image.to_bytes()
        if kind == ".nii":
            return content
        import gzip

        return gzip.compress(content)
    array = np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    if kind == ".tif":
        tifffile.imwrite(stream, array, photometric="rgb")
    else:
        Pillow.fromarray(array).save(stream, {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP"}[kind])
    return stream.getvalue()


@pytest.mark.parametrize("kind", [".nii", ".nii.gz", ".png", ".jpg", ".bmp", ".tif"])
def test_a_file_cut_anywhere_is_refused_and_nothing_else_is_raised(tmp_path: Path, kind: str) -> None:
    content, path = encoded(kind), tmp_path / f"a{kind}"
    path.write_bytes(content)
    assert read_image(path).array.size
    cuts = sorted({1, 4, 60, 347, 351, *np.linspace(1, len(content) * 0.98, 25).astype(int)})

    for cut in (cut for cut in cuts if cut < len(content) * 0.99):
        path.write_bytes(content[:cut])
        with pytest.raises(UnreadableError):
            read_image(path)


@pytest.mark.parametrize("kind", [".nii", ".nii.gz", ".png", ".jpg", ".bmp", ".tif"])
def test_rubbish_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{kind}"
    for seed in range(20):
        path.write_bytes(np.random.default_rng(seed).bytes(3000))
        with pytest.raises(UnreadableError):
            read_image(path)


def test_a_header_that_promises_terabytes_is_refused_at_once(tmp_path: Path) -> None:
    content = bytearray(encoded(".nii"))
    content[40:56] = np.array([3, 30_000, 30_000, 30_000, 1, 1, 1, 1], np.int16).tobytes()
    (tmp_path / "a.nii").write_bytes(content)

    with pytest.raises(UnreadableError):
        read_image(tmp_path / "a.nii")


def test_unknown_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"1")
    with pytest.raises(UnreadableError, match=r"unknown file type '\.xyz'"):
        read_image(tmp_path / "a.xyz")
    with pytest.raises(UnreadableError, match="does not exist"):
        read_image(tmp_path / "b.png")
    with pytest.raises(UnreadableError, match="is a folder"):
        read_image(tmp_path)
