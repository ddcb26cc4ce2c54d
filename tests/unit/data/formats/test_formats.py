"""Formats beyond NIfTI, PNG and DICOM: the same voxels and grid, whatever holds them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from tests.factories import write_nifti

from gandlf_synth.data.formats.readers import UnreadableError, read_image, source_files

VOXELS = np.random.default_rng(0).integers(-500, 3000, (7, 6, 5)).astype(np.int16)


def itk_image() -> sitk.Image:
    image = sitk.GetImageFromArray(VOXELS.T)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10, 20, 30))
    image.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    return image


@pytest.mark.parametrize("name", ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"])
@pytest.mark.parametrize("compressed", [False, True])
def test_itk_formats_agree_with_nifti(tmp_path: Path, name: str, compressed: bool) -> None:
    sitk.WriteImage(itk_image(), str(tmp_path / name), compressed)
    sitk.WriteImage(itk_image(), str(tmp_path / "a.nii.gz"))

    image, nifti = read_image(tmp_path / name), read_image(tmp_path / "a.nii.gz")

    assert np.array_equal(image.array[0], VOXELS)
    assert image.geometry.matches(nifti.geometry)
    assert image.dtype == "int16"
    assert len(source_files(tmp_path / name)) == (2 if name in ("a.mhd", "a.nhdr") else 1)


def test_components_are_channels_and_volumes_are_chosen(tmp_path: Path) -> None:
    vectors = sitk.GetImageFromArray(np.stack([VOXELS.T, VOXELS.T + 1], -1), isVector=True)
    sitk.WriteImage(vectors, str(tmp_path / "v.mha"))
    series = np.stack([VOXELS, VOXELS + 1, VOXELS + 2], -1)
    sitk.WriteImage(sitk.GetImageFromArray(series.T, isVector=False), str(tmp_path / "t.nrrd"))

    assert np.array_equal(read_image(tmp_path / "v.mha").array, np.stack([VOXELS, VOXELS + 1]))
    with pytest.raises(UnreadableError, match="3 volumes"):
        read_image(tmp_path / "t.nrrd")
    assert np.array_equal(read_image(tmp_path / "t.nrrd#2").array[0], VOXELS + 2)


def test_a_header_may_not_name_files_elsewhere(tmp_path: Path) -> None:
    sitk.WriteImage(itk_image(), str(tmp_path / "a.mhd"))
    text = (tmp_path / "a.mhd").read_text()
    (tmp_path / "b.mhd").write_text(text.replace("a.raw", "/etc/passwd"))
    (tmp_path / "c.mhd").write_text(text.replace("a.raw", "missing.raw"))

    with pytest.raises(UnreadableError, match="outside its own folder"):
        read_image(tmp_path / "b.mhd")
    with pytest.raises(UnreadableError, match=r"missing\.raw"):
        read_image(tmp_path / "c.mhd")


def test_one_volume_of_a_series_of_volumes(tmp_path: Path) -> None:
    array = np.arange(4 * 5 * 6 * 3, dtype=np.float32).reshape(4, 5, 6, 3)
    path = write_nifti(tmp_path / "fmri.nii.gz", array)

    assert np.array_equal(read_image(tmp_path / "fmri.nii.gz#1").array[0], array[..., 1])
    with pytest.raises(UnreadableError) as caught:
        read_image(path)
    assert "fmri" not in caught.value.what
    assert "#0 to file.nii.gz#2" in caught.value.fix
    for part in ("3", "-1", "x", ""):
        with pytest.raises(UnreadableError, match=r"no part|does not exist|holds 3"):
            read_image(tmp_path / f"fmri.nii.gz#{part}")


def test_a_name_with_the_mark_in_it_is_a_name(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "case#3.nii", VOXELS)

    assert np.array_equal(read_image(path).array[0], VOXELS)


@pytest.mark.parametrize(
    ("shape", "channels", "spatial"),
    [((6, 9), 1, (9, 6)), ((6, 9, 3), 3, (9, 6)), ((3, 6, 9), 3, (9, 6)), ((7, 6, 5), 1, (7, 6, 5)),
     ((2, 7, 6, 5), 2, (7, 6, 5)), ((7, 6, 5, 4), 4, (7, 6, 5))],
)  # fmt: skip
def test_numpy_axes(tmp_path: Path, shape: tuple[int, ...], channels: int, spatial: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    np.save(tmp_path / "a.npy", np.asfortranarray(array))
    np.savez_compressed(tmp_path / "a.npz", image=array, other=array + 1)

    image = read_image(tmp_path / "a.npy")

    assert image.array.shape == (channels, *spatial)
    assert image.dtype == "uint16"
    assert not image.geometry.physical
    assert np.array_equal(read_image(tmp_path / "a.npz#image").array, image.array)
    with pytest.raises(UnreadableError, match="2 arrays: image, other"):
        read_image(tmp_path / "a.npz")


def test_numpy_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)

    with pytest.raises(UnreadableError, match="instead of numbers"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("channels", [3, 4])
def test_png_of_16_bits_per_colour(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65_000, (6, 9, channels)).astype(np.uint16)
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=True), str(tmp_path / "a.png"))

    image = read_image(tmp_path / "a.png")

    assert image.dtype == "uint16"
    assert np.array_equal(image.array, pixels.transpose(2, 1, 0))


def test_ome_tiff_volumes_have_their_spacing(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 60_000, (5, 2, 6, 9)).astype(np.uint16)
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    about |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata=about)

    image = read_image(tmp_path / "a.ome.tif")

    assert np.array_equal(image.array, array.transpose(1, 3, 2, 0))
    assert np.allclose(image.geometry.spacing, (0.0005, 0.0005, 0.002))


def test_ome_tiff_channels_and_times(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 4, 6, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata={"axes": "TCYX"})

    with pytest.raises(UnreadableError, match="3 time points"):
        read_image(tmp_path / "a.ome.tif")
    image = read_image(tmp_path / "a.ome.tif#2")
    assert np.array_equal(image.array, array[2].transpose(0, 2, 1))
    assert not image.geometry.physical


def test_a_page_of_a_tiff(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 6, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")

    with pytest.raises(UnreadableError, match="3 pictures"):
        read_image(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif#1").array[0], array[1].T)


def test_the_test_files_of_nibabel(tmp_path: Path) -> None:
    folder = Path(nib.__file__).parent / "tests" / "data"
    names = [
        name
        for name in ("example4d.nii.gz", "anatomical.nii", "functional.nii", "example_nifti2.nii.gz")
        if (folder / name).is_file()
    ]
    if not names:
        pytest.skip("nibabel came without its test files")
    for name in names:
        reference = nib.load(folder / name)
        volume = np.asarray(reference.dataobj)
        cell = folder / (f"{name}#1" if volume.ndim == 4 else name)
        image = read_image(cell)
        assert np.allclose(image.array[0], volume[..., 1] if volume.ndim == 4 else volume)
        assert np.allclose(image.geometry.affine, reference.affine, atol=1e-4)
