"""Copies that are not equal byte for byte."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.checks import Finding
from gandlf_synth.data.inspection.duplicates import duplicates
from gandlf_synth.data.table.manifest import read_manifest


def _findings(folder: Path, pictures: list[np.ndarray]) -> list[Finding]:
    for index, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    lines = ["Channel_0", *(f"{index}.png" for index in range(len(pictures)))]
    (folder / "data.csv").write_text("\n".join(lines))
    manifest = read_manifest(folder / "data.csv")
    paths = [path for sample in manifest.samples for path in sample.files]
    return duplicates([manifest], scan_files(paths, folder / "cache"))


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (40, 32), np.uint8) for _ in range(4)]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirror_image_is_named_with_its_original(tmp_path: Path, pictures: list[np.ndarray], axis: int) -> None:
    (finding,) = _findings(tmp_path, [*pictures, np.flip(pictures[1], axis)])
    assert (finding.kind, finding.row) == ("near duplicate", 5)
    assert "shows nearly the same, mirrored, as" in finding.what
    assert "row 2" in finding.what


def test_an_equal_image_is_no_mirror_image_even_where_it_is_symmetric(tmp_path: Path) -> None:
    half = np.random.default_rng(0).integers(0, 256, (40, 16), np.uint8)
    whole = np.concatenate([half, half[:, ::-1]], axis=1)
    (finding,) = _findings(tmp_path, [whole, whole])
    assert finding.kind == "duplicate"


def test_different_images_are_no_finding(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    assert _findings(tmp_path, pictures) == []


@pytest.mark.parametrize("change", ["noise", "contrast", "compression"])
def test_what_exports_do_to_an_image_leaves_it_a_near_duplicate(tmp_path: Path, change: str) -> None:
    rng = np.random.default_rng(0)
    smooth = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).resize((200, 240), Image.Resampling.BICUBIC))
        for _ in range(4)
    ]
    original = smooth[2].astype(float)
    if change == "noise":
        copy = original + rng.normal(0, 8, original.shape)
    elif change == "contrast":
        copy = 255 * (original / 255) ** 0.9
    else:
        Image.fromarray(smooth[2]).save(tmp_path / "copy.jpg", quality=40)
        copy = np.asarray(Image.open(tmp_path / "copy.jpg")).astype(float)

    (finding,) = _findings(tmp_path, [*smooth, copy.clip(0, 255).astype(np.uint8)])

    assert (finding.kind, finding.row) == ("near duplicate", 5)
    assert "row 3" in finding.what
