"""A volume's slices in the browser are those of the other pictures of this program, in the same convention."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from PIL import Image as Picture
from tests.factories import write_nifti, write_picture

from gandlf_synth.app.pictures import Shown, draw
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.display import views
from gandlf_synth.geometry import Affine

SHAPE = (20, 18, 17)
RAS = np.diag([1.0, 1.0, 1.0, 1.0])
TURNED = np.array([[0, 0, -1.0, 5], [-1.0, 0, 0, 6], [0, 1.0, 0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [RAS, TURNED], ids=["RAS", "turned"])
def test_the_middle_slices_of_a_volume_are_the_views_of_it(tmp_path: Path, affine: Affine) -> None:
    volume = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    volume[0, 0, 0], volume[1:9, 0, 0], volume[1:9, 1, 0] = 0, 0, 255  # so that the window is that of the numbers
    path = write_nifti(tmp_path / "volume.nii.gz", volume, affine)

    drawn = draw([Shown("image", "", path)], tmp_path, colour=False)["image"]

    image = read_image(path)
    low, high = np.percentile(image.array, (0.5, 99.5))
    expected = views(image.array, image.geometry, low=low, high=high)
    for (plane, about), middle in zip(drawn["planes"].items(), expected, strict=True):
        sheet = np.asarray(Picture.open(tmp_path / about["file"]))
        height, width, slices = about["height"], about["width"], about["count"]
        place = slices - 1 - slices // 2  # slices are numbered from the left, the back and below
        row, column = divmod(place, about["columns"])
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert np.array_equal(tile, middle), plane


def test_voxels_that_are_not_square_keep_their_proportions(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "volume.nii.gz", np.ones((10, 20, 5), np.float32), np.diag([1.0, 1.0, 4.0, 1.0]))

    planes = draw([Shown("image", "", path)], tmp_path, colour=False)["image"]["planes"]

    assert {plane: about["aspect"] for plane, about in planes.items()} == {"axial": 0.5, "coronal": 0.5, "sagittal": 1}


def test_the_volume_for_the_3d_view_lies_where_the_image_lies(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "volume.nii.gz", np.arange(20 * 18 * 17).reshape(SHAPE).astype(np.int16), TURNED)

    shown = nib.load(tmp_path / draw([Shown("image", "", path)], tmp_path, colour=False)["image"]["volume"])

    original = nib.load(path)
    corners = apply_affine(original.affine, [(0, 0, 0), (19, 17, 16)])
    voxels = np.rint(apply_affine(np.linalg.inv(shown.affine), corners)).astype(int)
    values = [int(np.asarray(shown.dataobj)[tuple(voxel)]) for voxel in voxels]
    assert values == [0, 255]


def test_pictures_are_shown_as_they_are(tmp_path: Path) -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    path = write_picture(tmp_path / "a.png", grey)

    drawn = draw([Shown("image", "t", path)], tmp_path, colour=False)["image"]

    assert np.array_equal(np.asarray(Picture.open(tmp_path / drawn["pictures"][0])), grey)
