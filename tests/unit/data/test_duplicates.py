"""Copies that are not equal byte for byte."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gandlf_synth.data.checks import Finding, duplicates
from gandlf_synth.data.manifest import read_manifest
from gandlf_synth.data.scan import scan_files


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
