"""An extractor of volumes: one row of features per volume, the same metrics, and nothing for pictures."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import blob, heads, write_nifti

from gandlf_synth.errors import ConfigError
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.metrics.extractors.medicalnet import resnet


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "resnet_10.pth"
    torch.save({f"module.{key}": value for key, value in resnet(10).state_dict().items()}, path)
    return path


def write(folder: Path, seeds: range, noise: float = 0) -> Path:
    for seed in seeds:
        volume = blob((20, 24, 16), seed) + np.random.default_rng(seed).normal(0, 1, (20, 24, 16)) * noise
        write_nifti(folder / f"{folder.name}-{seed}" / "image.nii.gz", volume.astype(np.float32))
    return folder


def test_the_metrics_of_features_are_of_whole_volumes(
    evaluated: Callable[..., Evaluation], weights: Path, tmp_path: Path
) -> None:
    real = write(tmp_path / "real", range(10))
    near, noisy = write(tmp_path / "near", range(100, 104)), write(tmp_path / "noisy", range(100, 104), noise=150)
    options = {"extractor": "medicalnet", "extractor_weights": weights, "intensity": "common"}

    good = evaluated(real, near, **options)
    bad = evaluated(real, noisy, output_dir=tmp_path / "bad", **options)

    assert bad.metric("kid").value.low > good.metric("kid").value.value
    assert "4" in (good.metric("precision").refused or "")
    kid = good.metric("kid")
    assert (kid.num_real, kid.num_synthetic, kid.num_subjects) == (10, 4, 10)
    assert "2000 volumes of a set" in kid.note
    assert "(512) and there are 4" in good.metric("fid").refused
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())["extractor"]
    assert written["name"] == "medicalnet"
    assert written["stacks"] == ["volume"]
    assert written["features"] == 512
    assert written["resize_rule"].startswith("whole volumes, trilinear")
    assert len(written["weights_sha256"]) == 64


def test_without_it_volumes_are_looked_at_in_three_directions(
    evaluated: Callable[..., Evaluation], tmp_path: Path
) -> None:
    found = evaluated(write(tmp_path / "real", range(6)), write(tmp_path / "near", range(10, 14)))

    assert found.extractor["stacks"] == ["axial", "coronal", "sagittal"]
    assert "2000 planes of a set" in found.metric("kid").note


def test_pictures_are_refused(saved: Callable[..., Path], evaluated: Callable[..., Evaluation], weights: Path) -> None:
    with pytest.raises(ConfigError, match="medicalnet: looks at volumes and the images are 2D; use one that looks"):
        evaluated(
            saved("real", heads(6, 1)), saved("near", heads(6, 2)), extractor="medicalnet", extractor_weights=weights
        )
