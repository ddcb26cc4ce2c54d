"""Odd sets of images: each is a clear error, or is left out and said."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from tests.factories import Cli, blob, heads, verdict_of, write_nifti

from gandlf_synth.errors import ConfigError, DataError
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.thresholds import parse_thresholds


def test_folders_need_no_csv(saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path) -> None:
    saved("real", heads(12, 1))
    saved("other", heads(10, 2))

    found = evaluated(tmp_path / "real", tmp_path / "other")

    assert found.inputs["real"]["images"] == 12
    assert found.inputs["synthetic"]["images"] == 10
    assert any("few images" in note for note in found.cautions)
    assert found.metric("fid").refused.startswith(
        "FID needs at least as many images as the extractor has features (64)"
    )
    rows = (tmp_path / "out" / "images.csv").read_text().splitlines()
    assert len(rows) == 1 + 22


def test_an_empty_folder_and_a_missing_table(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    real = saved("real", heads(12, 1))

    with pytest.raises(DataError, match=r"empty: holds no images.*\.png"):
        evaluated(real, tmp_path / "empty")
    with pytest.raises(DataError, match="does not exist"):
        evaluated(tmp_path / "nowhere.csv", real)


@pytest.mark.parametrize(("count", "others"), [(1, 1), (1, 14), (14, 1), (3, 3)])
def test_sets_of_an_image_or_three_are_unknown_with_what_would_suffice(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], cli: Cli, tmp_path: Path, count: int, others: int
) -> None:
    found = evaluated(saved("real", heads(count, 1)), saved("other", heads(others, 2)))

    assert {verdict.outcome for verdict in found.verdicts} == {"unknown"}
    for question in ("faithful", "diverse"):
        assert "suffice" in verdict_of(found, question).sentence
    code, _, err = cli("report", tmp_path / "out")
    assert code == 0, err


def test_a_real_set_of_one_subject_is_unknown_with_what_would_suffice(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    found = evaluated(saved("real", heads(14, 1), subject="a"), saved("other", heads(14, 2)))

    sentence = "the real images are of one subject; 20 subjects in each set suffice"
    assert verdict_of(found, "faithful").sentence == f"Unknown: Distance of features (KID): {sentence}."


def test_a_damaged_file_is_an_error_or_left_out_and_said(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    real, other = saved("real", heads(12, 1)), saved("other", heads(10, 2))
    (tmp_path / "other" / "3.png").write_bytes((tmp_path / "other" / "3.png").read_bytes()[:60])

    with pytest.raises(DataError, match=r"other\.csv row 4, column Channel_0 .*3\.png"):
        evaluated(real, other)
    found = evaluated(real, other, skip_unreadable=True)

    assert found.inputs["synthetic"]["images"] == 9
    assert any("synthetic: 1 of 10 images left out" in note for note in found.cautions)


def test_nan_is_an_error(evaluated: Callable[..., Evaluation], tmp_path: Path) -> None:
    for name in ("real", "other"):
        for k in range(5):
            write_nifti(tmp_path / name / f"{k}" / "a.nii.gz", blob((12, 12, 12), k))
    array = blob((12, 12, 12), 9)
    array[0, 0, 0] = np.nan
    write_nifti(tmp_path / "other" / "4" / "a.nii.gz", array)

    with pytest.raises(DataError, match="1 voxels that are NaN"):
        evaluated(tmp_path / "real", tmp_path / "other")


def test_different_channels_and_dimensions_are_errors(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    real = saved("real", heads(12, 1))
    for k in range(5):
        write_nifti(tmp_path / "volumes" / f"{k}.nii.gz", blob((12, 12, 12), k))
        write_nifti(tmp_path / "two" / f"{k}.nii.gz", blob((12, 12), k)[..., None, None].repeat(2, axis=-1))

    with pytest.raises(DataError, match="dimensions"):
        evaluated(real, tmp_path / "volumes")
    with pytest.raises(DataError, match=r"channels|dimensions"):
        evaluated(real, tmp_path / "two")


def test_different_sizes_are_compared_at_the_smaller_and_said(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    large = np.stack([np.asarray(Image.fromarray(image).resize((64, 64))) for image in heads(12, 2)])

    found = evaluated(saved("real", heads(12, 1)), saved("large", large))

    assert list(found.comparison["size"]) == [32, 32]
    assert any("median sizes differ" in note for note in found.cautions)


def test_files_that_are_real_files_byte_for_byte_are_said(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    found = evaluated(saved("real", heads(12, 1)), saved("again", heads(12, 1)[:5]))

    assert "5 of 5 synthetic files are byte for byte real files" in found.cautions


def test_volumes_are_compared_in_three_directions_whatever_their_orientation(
    evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    for k in range(8):
        volume = blob((20, 24, 16), k)
        write_nifti(tmp_path / "real" / f"{k}.nii.gz", volume)
        flipped = nib.Nifti1Image(volume[::-1], np.diag([-1.0, 1, 1, 1]))
        (tmp_path / "flipped").mkdir(exist_ok=True)
        nib.save(flipped, tmp_path / "flipped" / f"{k}.nii.gz")

    found = evaluated(tmp_path / "real", tmp_path / "flipped", slices=3)

    assert found.comparison["resize_rule"].startswith("3 slices in each of three directions")
    for name in ("histogram", "spectrum", "texture"):
        assert found.metric(name).value.value == pytest.approx(0, abs=1e-6), name


def test_masks_in_the_csv_change_nothing(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    real, other = saved("real", heads(8, 1)), saved("other", heads(8, 2))
    plain = evaluated(real, other).metric("kid")
    lines = real.read_text().split()
    real.write_text("\n".join([f"{lines[0]},Mask", *(f"{line},{line.split(',')[0]}" for line in lines[1:])]))

    masked = evaluated(real, other).metric("kid")

    assert plain is not None
    assert masked is not None
    assert masked.value == plain.value


def test_thresholds_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_thresholds(["kid_god=1", "kid_good=low"])

    assert "unknown name 'kid_god'" in str(error.value)
    assert "did you mean 'kid_good'?" in str(error.value)
    assert "'kid_good=low' is not valid" in str(error.value)
