"""Folder layouts that users have, told apart by names alone."""

from pathlib import Path

import pytest

from gandlf_synth.data.table.layouts import detect_layout
from gandlf_synth.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_patients_with_the_same_channels_and_a_segmentation(tmp_path: Path) -> None:
    names = [f"p{k}/{kind}.nii.gz" for k in range(4) for kind in ("t2", "flair", "t1", "seg")]

    layout = detect_layout(touch(tmp_path, *names))

    assert layout.endings == ("t1.nii.gz", "t2.nii.gz", "flair.nii.gz")
    assert layout.paradigm == "unlabeled"
    assert layout.left_out == {"seg.nii.gz": 4}


def test_patients_whose_files_have_their_names(tmp_path: Path) -> None:
    names = [f"case{k:02}/case{k:02}_{kind}.nii.gz" for k in range(20) for kind in ("t1", "t1ce", "t2", "flair")]

    layout = detect_layout(touch(tmp_path, *names))

    assert layout.endings == ("_t1.nii.gz", "_t1ce.nii.gz", "_t2.nii.gz", "_flair.nii.gz")
    assert layout.paradigm == "unlabeled"


def test_bids(tmp_path: Path) -> None:
    names = [f"sub-{k:02}/anat/sub-{k:02}_{kind}.nii.gz" for k in range(5) for kind in ("T2w", "T1w")]

    layout = detect_layout(touch(tmp_path, "dataset_description.json", "participants.tsv", *names))

    assert layout.endings == ("_T1w.nii.gz", "_T2w.nii.gz")
    assert layout.paradigm == "unlabeled"


def test_classes_of_patients_in_splits(tmp_path: Path) -> None:
    names = [
        f"{split}/{kind}/{split}{kind}{k}/image.png"
        for split in ("train", "test")
        for kind in ("normal", "ill")
        for k in range(12)
    ]

    layout = detect_layout(touch(tmp_path, "README.md", *names))

    assert set(layout.roots) == {"train", "test"}
    assert (layout.endings, layout.paradigm) == ((".png",), "custom")


def test_class_folders_of_pictures(tmp_path: Path) -> None:
    layout = detect_layout(touch(tmp_path, *(f"{kind}/{kind}_{k}.jpg" for kind in "ab" for k in range(20))))

    assert (layout.endings, layout.paradigm) == ((".jpg",), "custom")


def test_files_side_by_side(tmp_path: Path) -> None:
    one = detect_layout(touch(tmp_path / "one", *(f"scan{k}.nii.gz" for k in range(9))))
    two = detect_layout(touch(tmp_path / "two", *(f"scan{k}_{kind}.nii.gz" for k in range(9) for kind in ("t1", "t2"))))

    assert one.endings == (".nii.gz",)
    assert two.endings == ("_t1.nii.gz", "_t2.nii.gz")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no image that can be read; allowed: .*\.nii\.gz"):
        detect_layout(touch(tmp_path, "notes.txt"))
