"""Pairs that do not lie on one another are told with the row, pairs of other contrast are not."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from tests.factories import write_nifti, write_table

from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.registration import misregistered
from gandlf_synth.data.table.manifest import read_manifest

SPACING = np.diag([2.0, 2.0, 2.0, 1.0])


def anatomy(seed: int) -> np.ndarray:
    """Return smooth structures on black, different for each seed."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(40, 36, 20)), 2.5)
    head = np.hypot.outer(np.linspace(-1, 1, 40), np.linspace(-1, 1, 36))[..., None] < 0.8
    return np.asarray((1 + (noise > 0) + 2 * (noise > 0.03)) * head, np.float32)


def test_a_shifted_source_is_told_and_an_inverted_one_is_not(tmp_path: Path) -> None:
    rows = []
    for number, shift in enumerate([0, 0, 4]):
        image = anatomy(number)
        other = np.where(image > 0, 5 - image, 0)
        write_nifti(tmp_path / f"{number}_t1.nii", image, SPACING)
        write_nifti(tmp_path / f"{number}_t2.nii", np.roll(other, shift, axis=0).astype(np.float32), SPACING)
        rows.append([f"p{number}", f"{number}_t2.nii", f"{number}_t1.nii"])
    manifest = read_manifest(write_table(tmp_path / "data.csv", ["SubjectID", "Channel_0", "Source_0"], rows))
    scans = scan_files([path for sample in manifest.samples for path in sample.files], tmp_path)

    (finding,) = misregistered([manifest], scans)

    assert (finding.row, finding.kind, finding.severity) == (3, "misregistered", "warning")
    assert "row 3, column Source_0" in finding.where
    assert "shifted by about 8.0 mm against Channel_0" in finding.what
