"""Written images hold their voxels, their place in the patient, and where they come from."""

from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from PIL import Image as Picture
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import choose_writer, read_provenance
from gandlf_synth.data.formats.writers.nifti import NiftiWriter
from gandlf_synth.data.loading.value_range import in_number_type, to_file_values
from gandlf_synth.errors import ConfigError
from gandlf_synth.geometry import Geometry, picture_geometry
from gandlf_synth.provenance import DERIVED_MARK, SYNTHETIC_MARK

PROVENANCE = {"seed": 7, "mark": "SYNTHETIC", "class": "Größe"}
OBLIQUE = np.array([[1.8, 0.3, 0.1, -12], [-0.3, 1.9, 0.2, 5], [0.1, -0.2, 2.5, 33], [0, 0, 0, 1]])
CASES = [
    ("nifti", (1, 5, 6, 7), np.int16, Geometry((5, 6, 7), OBLIQUE)),
    ("nifti", (1, 5, 6, 7), np.float32, Geometry((5, 6, 7), OBLIQUE)),
    ("nifti", (1, 5, 6), np.uint8, picture_geometry((5, 6))),
    ("png", (1, 5, 6), np.uint8, picture_geometry((5, 6))),
    ("png", (3, 5, 6), np.uint8, picture_geometry((5, 6))),
    ("tiff", (1, 5, 6), np.uint8, picture_geometry((5, 6))),
    ("tiff", (3, 5, 6), np.uint8, picture_geometry((5, 6))),
]


@pytest.mark.parametrize(("name", "shape", "dtype", "geometry"), CASES)
def test_what_is_written_is_read_back(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: str, geometry: Geometry
) -> None:
    writer = registry.load("writers", name)()
    voxels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    path = tmp_path / f"image{writer.suffix}"

    writer(path, voxels, geometry, PROVENANCE)

    image = read_image(path)
    assert np.array_equal(image.array, voxels)
    assert image.dtype == np.dtype(dtype).name
    assert read_provenance(path) == PROVENANCE
    if name == "nifti":
        assert np.allclose(image.geometry.affine, geometry.affine, atol=1e-4)


@pytest.mark.parametrize(("name", "shape", "dtype", "geometry"), CASES)
def test_equal_images_have_equal_bytes(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: str, geometry: Geometry
) -> None:
    writer = registry.load("writers", name)()
    voxels = np.ones(shape, dtype)

    for folder in ("a", "b"):
        writer(tmp_path / folder / f"image{writer.suffix}", voxels, geometry, PROVENANCE)

    one, other = (next((tmp_path / folder).iterdir()).read_bytes() for folder in ("a", "b"))
    assert one == other


READABLE = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
            "float64", "longdouble", ">i2", ">i4", ">i8", ">f4", ">f8")  # fmt: skip


EXACT = [name for name in registry.names("writers") if not name.startswith("dicom")]
"""DICOM has 16 bits at most, and tests of its own."""


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("number_type", READABLE)
@pytest.mark.parametrize("dims", [2, 3])
def test_whatever_can_be_read_can_be_written(tmp_path: Path, name: str, number_type: str, dims: int) -> None:
    values = np.random.default_rng(0).integers(0, 2, (9, 8, 7)[:dims]).astype(number_type)
    np.save(tmp_path / "a.npy", values)
    image = read_image(tmp_path / "a.npy")
    spec = spec_of(image.dtype, classes=0, spatial_dims=dims, shape=image.geometry.shape, low=(0.0,), high=(1.0,))
    writer = registry.load("writers", name)()
    if dims not in writer.spatial_dims or not writer.holds(spec.dtype) or writer.lossy:
        with pytest.raises(ConfigError, match="cannot hold"):
            choose_writer(name, spec.modality, dims, spec.dtype, exact=True)
        return
    path = tmp_path / f"b{writer.suffix}"

    for made in (
        in_number_type(image.array.astype(np.float64), image.dtype),
        to_file_values(image.array * 2 - 1, spec),
    ):
        writer(path, made, image.geometry, PROVENANCE)

        assert np.array_equal(read_image(path).array, image.array)
        assert read_image(path).dtype == image.dtype


@pytest.mark.parametrize("number_type", ["int64", "uint64"])
def test_numbers_beyond_32_bits_are_written_as_what_they_were_computed_in(tmp_path: Path, number_type: str) -> None:
    np.save(tmp_path / "a.npy", np.full((9, 8, 7), 2**40, number_type))

    image = read_image(tmp_path / "a.npy")

    assert image.dtype == "float32"
    assert (image.array == 2**40).all()


def test_a_plane_keeps_its_place_in_other_programs(tmp_path: Path) -> None:
    affine = np.array([[-1.9, 0.3, 0.1, 20], [0.3, 1.8, -0.4, -30], [0.0, 0.5, 2.2, 12], [0, 0, 0, 1]])

    NiftiWriter()(tmp_path / "plane.nii.gz", np.zeros((1, 4, 5), np.int16), Geometry((4, 5), affine), {})

    plane = SimpleITK.ReadImage(str(tmp_path / "plane.nii.gz"))
    assert plane.GetSize() == (4, 5, 1)
    assert plane.GetOrigin() == pytest.approx((-20, 30, 12))


def test_new_images_lie_aligned_and_those_of_a_patient_in_the_scanner(tmp_path: Path) -> None:
    codes = []
    for mark in (SYNTHETIC_MARK, DERIVED_MARK):
        path = tmp_path / "image.nii.gz"
        NiftiWriter()(
            path, np.ones((1, 4, 5, 6), np.int16), Geometry((4, 5, 6), np.diag([2.0, 2, 3, 1])), {"mark": mark}
        )
        header = nib.load(path).header
        codes.append((int(header["sform_code"]), int(header["qform_code"])))
        assert bytes(header["descrip"]).startswith(b"SYNTHETIC image by GaNDLF-Synth")

    assert codes == [(2, 2), (1, 1)]


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
def test_other_programs_read_that_a_picture_is_synthetic(tmp_path: Path, name: str) -> None:
    writer = registry.load("writers", name)()
    path = tmp_path / f"image{writer.suffix}"
    voxels, geometry = np.zeros((3, 5, 6), np.uint8), picture_geometry((5, 6))

    for kind, term in (
        ("from a row", "trainedAlgorithmicMedia"),
        ("inpainting", "compositeWithTrainedAlgorithmicMedia"),
    ):
        writer(path, voxels, geometry, {"kind": kind})
        content = path.read_bytes()
        packet = ElementTree.fromstring(content[content.index(b"<x:xmpmeta") : content.index(b"<?xpacket end")])  # noqa: S314

        found = {value for element in packet.iter() for value in element.attrib.values()}
        assert f"http://cv.iptc.org/newscodes/digitalsourcetype/{term}" in found
        assert writer.is_marked(path)

    Picture.fromarray(np.zeros((6, 5, 3), np.uint8)).save(path)
    assert not writer.is_marked(path)
