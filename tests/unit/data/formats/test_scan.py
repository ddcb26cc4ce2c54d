"""What a scan says of a file stays true under another name and another compression."""

from pathlib import Path

from tests.factories import blob, write_nifti

from gandlf_synth.data.formats.scan import scan_file


def test_content_is_that_of_the_voxels_whatever_the_file(tmp_path: Path) -> None:
    voxels = blob((6, 5, 4), 0)
    changed = voxels.copy()
    changed[3, 2, 1] += 1
    original = scan_file(write_nifti(tmp_path / "a.nii.gz", voxels))

    assert scan_file(write_nifti(tmp_path / "moved" / "b.nii", voxels)).content == original.content
    assert scan_file(write_nifti(tmp_path / "c.nii.gz", changed)).content != original.content
