"""Written images hold their voxels, their place in the patient, and where they come from."""

from pathlib import Path

import numpy as np
import pytest

from gandlf_synth import registry
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import read_provenance
from gandlf_synth.geometry import Geometry, picture_geometry

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
