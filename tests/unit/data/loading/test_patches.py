"""Training on patches: where they lie, that they repeat, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import Cli, write_nifti

from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.patches import Patches
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, read_manifest

CONFIG = """\
model_config:
  model_name: ddpm
  tensor_shape: [8, 8, 8]
  architecture: {{num_channels: [8, 8], attention_levels: [false, false], num_res_blocks: 1,
                 norm_num_groups: 4, num_head_channels: 4, num_train_timesteps: 10}}
  num_inference_steps: 2
patch_sampler: {{name: {name}, patches_per_volume: 3}}
num_epochs: 1
batch_size: 4
compute: {{accelerator: cpu, precision: 32}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Three volumes of different sizes whose voxel values are their index; each marks one voxel."""
    rows = ["Channel_0,Mask"]
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    for index, shape in enumerate([(12, 10, 9), (16, 8, 8), (9, 14, 20)]):
        write_nifti(tmp_path / f"i{index}.nii.gz", np.arange(np.prod(shape), dtype=np.float32).reshape(shape), affine)
        mask = np.zeros(shape, np.uint8)
        mask[4, 4, 4] = 2
        write_nifti(tmp_path / f"m{index}.nii.gz", mask, affine)
        rows.append(f"i{index}.nii.gz,m{index}.nii.gz")
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    return read_manifest(tmp_path / "data.csv")


def dataset(
    manifest: Manifest, cache: Path, shape: tuple[int, ...], *, weighted: bool = False, fixed: bool = False
) -> tuple[PreparedDataset, PreparedSamples]:
    prepared = prepare(manifest, Pipeline((), (1,), None, keeps_mask=weighted), cache)
    identity = ValueRange(np.array([1e-4]), np.array([0.0]))
    return PreparedDataset(prepared, identity, patches=Patches(shape, 4, weighted), fixed=fixed), prepared


def test_patches_are_cut_from_their_volume_and_repeat_for_the_same_epoch_only(
    manifest: Manifest, tmp_path: Path
) -> None:
    data, prepared = dataset(manifest, tmp_path / "c", (4, 4, 4))
    keys = list(range(12))

    first, again = data.__getitems__(keys)["image"], data.__getitems__(keys)["image"]
    later = data.__getitems__([12 + key for key in keys])["image"]

    assert first.shape == (12, 1, 4, 4, 4)
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    for place, patch in enumerate(first):
        volume = prepared.voxels(place // 4)[0] * np.float32(1e-4)
        corner = np.argwhere(np.isclose(volume, patch[0, 0, 0, 0], atol=1e-7))[0]
        assert np.allclose(volume[tuple(slice(c, c + 4) for c in corner)], patch[0])


def test_fixed_patches_are_the_same_in_every_epoch(manifest: Manifest, tmp_path: Path) -> None:
    data, _ = dataset(manifest, tmp_path / "c", (4, 4, 4), fixed=True)

    assert torch.equal(data.__getitems__([0, 5])["image"], data.__getitems__([24, 29])["image"])


def test_weighted_patches_hold_what_the_mask_marks_in_their_middle(manifest: Manifest, tmp_path: Path) -> None:
    data, prepared = dataset(manifest, tmp_path / "c", (4, 4, 4), weighted=True)

    for place, patch in enumerate(data.__getitems__(list(range(12)))["image"]):
        marked = prepared.voxels(place // 4)[0, 4, 4, 4] * np.float32(1e-4)
        assert patch[0, 2, 2, 2].item() == pytest.approx(marked, abs=1e-7)


def test_a_run_trains_on_patches_and_synthesises_patches_at_the_training_spacing(
    cli: Cli, manifest: Manifest, tmp_path: Path
) -> None:
    import nibabel as nib

    (tmp_path / "c.yaml").write_text(CONFIG.format(name="weighted"))
    code, out, err = cli("train", "-c", tmp_path / "c.yaml", "-dt", manifest.path, "-m-dir", tmp_path / "m")
    assert code == 0, out + err
    assert cli("generate", "-m-dir", tmp_path / "m", "-n", "1")[0] == 0

    image = nib.load(next((tmp_path / "m").rglob("*.nii.gz")))
    assert image.shape == (8, 8, 8)
    assert image.header.get_zooms() == pytest.approx((2, 2, 3))


def test_volumes_smaller_than_a_patch_and_rows_without_a_mask_are_named(
    cli: Cli, manifest: Manifest, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.format(name="uniform").replace("[8, 8, 8]", "[10, 8, 8]"))
    code, _, err = cli("train", "-c", config, "-dt", manifest.path, "-m-dir", tmp_path / "m")
    said = " ".join(err.split())
    assert code == 3
    assert "row 3" in said
    assert "9×14×20 after preprocessing, smaller than a patch" in said

    (tmp_path / "n.csv").write_text("Channel_0\ni0.nii.gz\ni1.nii.gz\n")
    config.write_text(CONFIG.format(name="weighted"))
    code, _, err = cli("train", "-c", config, "-dt", tmp_path / "n.csv", "-m-dir", tmp_path / "m")
    assert code == 3
    assert "has no mask in row 1" in " ".join(err.split())


def test_a_patch_needs_a_size(cli: Cli, manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model_config: {model_name: ddpm}\npatch_sampler: uniform\n")
    code, _, err = cli("train", "-c", tmp_path / "c.yaml", "-dt", manifest.path, "-m-dir", tmp_path / "m")
    assert code == 2
    assert "patch_sampler needs model_config.tensor_shape" in " ".join(err.split())
