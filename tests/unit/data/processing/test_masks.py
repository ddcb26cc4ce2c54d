"""A mask column follows the image's grid voxel by voxel, and no intensity step touches it."""

from pathlib import Path

import numpy as np
import pytest
from tests.factories import blob, write_nifti

from gandlf_synth.config import Step
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.processing.pipeline import Pipeline, with_mask
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.errors import DataError

AFFINE = np.array([[-2.0, 0, 0, 20], [0, 0, 1.5, 30], [0, 3.0, 0, -40], [0, 0, 0, 1]])


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    image = blob((12, 10, 8), 0)
    write_nifti(tmp_path / "i.nii.gz", image, AFFINE)
    write_nifti(tmp_path / "m.nii.gz", (2 * (image > 500)).astype(np.int16), AFFINE)
    (tmp_path / "a.csv").write_text("Channel_0,Mask_0\ni.nii.gz,m.nii.gz\n")
    return tmp_path / "a.csv"


@pytest.mark.parametrize(
    "steps",
    [["to_canonical"], [{"resample": 1.0}], ["to_canonical", {"resize": [16, 16, 16]}], [{"crop_or_pad": [16, 6, 10]}],
     [{"crop": 1}], ["crop_external_zero_planes"], [{"resize_and_pad": [20, 20, 20]}]],
)  # fmt: skip
def test_the_mask_stays_on_what_it_marks(masked: Path, steps: list[str | dict[str, object]]) -> None:
    sample = read_manifest(masked).samples[0]
    written = [
        Step(name=s) if isinstance(s, str) else Step(name=next(iter(s)), parameters=next(iter(s.values())))
        for s in steps
    ]

    image = with_mask(read_image(sample.channels[0]), read_image(sample.mask))
    for transform in Pipeline((*written, Step(name="normalize")), (1,), ()).transforms():
        image = transform(image)

    assert image.mask is not None
    assert image.mask.shape == image.geometry.shape
    assert set(np.unique(image.mask)) == {0, 2}
    bright = (image.array[0] - image.offset[0]) / image.scale[0] > 500
    assert (bright == (image.mask > 0)).mean() > 0.95


def test_masked_normalisation_measures_inside(masked: Path) -> None:
    sample = read_manifest(masked).samples[0]
    pipeline = Pipeline((Step(name="normalize_nonzero_masked"),), (1,), (12, 10, 8))

    image = pipeline(sample)

    assert image.mask is not None
    inside = image.array[0][image.mask > 0]
    assert abs(inside.mean()) < 1e-3
    assert np.isclose(inside.std(), 1, atol=1e-3)


def test_a_mask_on_another_grid_and_a_damaged_one_name_their_cell(masked: Path, tmp_path: Path) -> None:
    write_nifti(tmp_path / "m.nii.gz", np.zeros((12, 10, 9), np.int16), AFFINE)
    manifest = read_manifest(masked)
    with pytest.raises(DataError, match=r"row 1, column Mask .*another grid"):
        fingerprint([manifest], scan_files(manifest.samples[0].files, tmp_path / "c"))

    (tmp_path / "m.nii.gz").write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"row 1, column Mask .*damaged"):
        fingerprint([manifest], scan_files(manifest.samples[0].files, tmp_path / "c"))

    (tmp_path / "m.nii.gz").unlink()
    with pytest.raises(DataError, match=r"column Mask .*does not exist"):
        read_manifest(masked)
