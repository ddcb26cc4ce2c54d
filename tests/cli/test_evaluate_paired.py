"""``evaluate --paired``: reconstructions against their originals."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Cli, blob, read_table, write_nifti, write_table

NAMES = "mean_absolute_error,peak_signal_noise_ratio,structural_similarity_index,ms_ssim,correlation"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Ten volumes in two classes, and the same ones 5 units too bright inside a ball that the mask marks."""
    real, made = [], []
    for index in range(10):
        volume = blob((16, 18, 14), index)
        mask = (volume > 400).astype(np.float32)
        paths = [
            write_nifti(tmp_path / name / f"s{index}.nii.gz", array)
            for name, array in (("real", volume), ("mask", mask), ("made", volume + 5 * mask))
        ]
        label = index % 2
        real.append([f"s{index}", paths[0], paths[1], label, ("left", "right")[label]])
        made.append([f"s{index}", paths[2]])
    columns = ("SubjectID", "Channel_0", "Mask", "Label", "LabelMapping")
    return (
        write_table(tmp_path / "real.csv", columns, real),
        write_table(tmp_path / "made.csv", ("SubjectID", "Channel_0"), made),
    )


def test_errors_are_in_the_units_of_the_images_inside_the_mask(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    code, out, err = cli("evaluate", "--paired", "-r", pair[0], "-s", pair[1], "-o", tmp_path / "out")

    assert code == 0, err
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert set(found["metrics"]) == set(NAMES.split(","))
    error = found["metrics"]["mean_absolute_error"]
    assert (error["low"], error["value"], error["high"]) == pytest.approx((5, 5, 5), rel=1e-4)
    assert found["metrics"]["correlation"]["value"] > 0.99
    assert set(found["per_class"]) == {"left", "right"}
    rows = read_table(tmp_path / "out" / "images.csv")
    assert [row["subject"] for row in rows] == [f"s{index}" for index in range(10)]
    assert "mean_absolute_error" in Path(out.strip()).read_text()


def test_files_of_the_same_name_are_pairs_and_equal_images_are_perfect(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    real, same = tmp_path / "real", tmp_path / "same"
    same.mkdir()
    for index in range(8):
        (same / f"s{index}.nii.gz").write_bytes((real / f"s{index}.nii.gz").read_bytes())
    words = ("-r", real, "-s", same, "-o", tmp_path / "out", "--metrics", "mean_absolute_error,correlation,ms_ssim")

    code, _, err = cli("evaluate", "--paired", *words)

    assert code == 0, err
    assert "2 images have no partner: s8, s9" in err
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert found["mean_absolute_error"]["value"] == 0
    assert found["correlation"]["value"] == pytest.approx(1)
    assert found["ms_ssim"]["value"] == pytest.approx(1)


def test_sizes_that_differ_and_sets_without_pairs_are_refused(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    write_nifti(tmp_path / "made" / "s3.nii.gz", blob((16, 18, 13), 3))
    code, _, err = cli("evaluate", "--paired", "-r", pair[0], "-s", pair[1], "-o", tmp_path / "out")
    assert code == 3
    assert "is 1×16×18×13, and " in err
    assert "row 4" in err

    for path in (tmp_path / "made").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    code, _, err = cli("evaluate", "--paired", "-r", tmp_path / "real", "-s", tmp_path / "made", "-o", tmp_path / "o")
    assert code == 3
    assert "has no image that belongs to one of" in err
    assert not (tmp_path / "o").exists()
