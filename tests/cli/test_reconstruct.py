"""Reconstructions lie where their image lay, in its units."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.factories import Cli, TableOf, blob, read_table, write_nifti

OBLIQUE = np.array([[-1.9, 0.3, 0.1, 20], [0.3, 1.8, -0.4, -30], [0.0, 0.5, 2.2, 12], [0, 0, 0, 1]])
CONFIG = """\
model_config:
  model_name: autoencoder_kl
  tensor_shape: {shape}
  architecture: {{num_channels: [8, 8], norm_num_groups: 4, latent_channels: 4}}
  optimizers: {{name: adamw, lr: 5e-3}}
  adversarial_weight: 0
  structure_weight: 0
num_epochs: {epochs}
batch_size: 4
compute: {{accelerator: cpu, precision: 32}}
metrics: [mean_absolute_error, structural_similarity_index, ncc_max]
"""


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Eight oblique volumes of 20×18×14 voxels in whole numbers from 0 to some thousands."""
    for index in range(8):
        voxels = blob((20, 18, 14), index, 4000).astype(np.int16)
        write_nifti(tmp_path / "scans" / f"s{index}" / "t1.nii.gz", voxels, OBLIQUE)
    return tmp_path / "scans"


def test_geometry_units_and_closeness(cli: Cli, table_of: TableOf, scans: Path, tmp_path: Path) -> None:
    data, config, model = table_of(scans, "t1.nii.gz"), tmp_path / "config.yaml", tmp_path / "model"
    config.write_text(CONFIG.format(shape=[12, 12, 8], epochs=60))
    code, _, err = cli("train", "-c", config, "-dt", data, "-m-dir", model)
    assert code == 0, err

    code, out, err = cli("reconstruct", "-m-dir", model, "-dt", data, "-i-dir", tmp_path / "out", "--batch-size", 3)

    assert code == 0, err
    folder = Path(out.strip())
    original = nib.load(scans / "s2" / "t1.nii.gz")
    made = nib.load(folder / "reconstruction_3.nii.gz")
    assert made.shape == original.shape
    assert np.allclose(made.affine, original.affine, atol=1e-4)
    assert made.get_data_dtype() == np.int16
    truth, found = np.asarray(original.dataobj, float), np.asarray(made.dataobj, float)
    assert np.corrcoef(truth.ravel(), found.ravel())[0, 1] > 0.9
    peak = [np.unravel_index(array.argmax(), array.shape) for array in (truth, found)]
    assert np.abs(np.subtract(*peak)).max() <= 3
    assert 0.5 < found.max() / truth.max() < 1.5
    rows = read_table(folder / "reconstructions.csv")
    assert len(rows) == 8
    assert float(rows[2]["mean_absolute_error"]) == pytest.approx(np.abs(truth - found).mean(), rel=1e-3)
    assert json.loads((folder / "reconstruction_3.json").read_text())["kind"] == "reconstruction"
    assert (folder / "contact_sheet.png").is_file()


def test_the_metrics_of_training_are_those_of_its_reconstructions(
    cli: Cli, table_of: TableOf, scans: Path, tmp_path: Path
) -> None:
    data, config, model = table_of(scans, "t1.nii.gz"), tmp_path / "config.yaml", tmp_path / "model"
    stopping = "early_stopping_config: {monitor_value: val_structural_similarity_index, monitor_mode: max}\n"
    whole = "data_preprocessing: [{rescale: {in_min_max: [0, 8000], out_min_max: [-1, 1]}}]\n"
    config.write_text(CONFIG.format(shape=[20, 18, 14], epochs=8) + stopping + whole)
    rows = data.read_text().splitlines()
    train, val = tmp_path / "train.csv", tmp_path / "val.csv"
    train.write_text("\n".join(rows[:6]))
    val.write_text("\n".join([rows[0], *rows[6:]]))
    code, _, err = cli("train", "-c", config, "-dt", train, "-v-csv", val, "-m-dir", model)
    assert code == 0, err

    code, out, err = cli(
        "reconstruct",
        "-m-dir",
        model,
        "-dt",
        val,
        "-i-dir",
        tmp_path / "out",
        "-ckpt-path",
        model / "checkpoints/last.ckpt",
    )

    assert code == 0, err
    logged = json.loads((model / "run.json").read_text())["metrics"]
    measured = read_table(Path(out.strip()) / "reconstructions.csv")
    for name in ("structural_similarity_index", "ncc_max"):
        mean = np.mean([float(row[name]) for row in measured])
        assert logged[f"val_{name}"] == pytest.approx(mean, rel=0.02), name


def test_run_without_t_reconstructs_what_dt_names(cli: Cli, pictures_table: Path, tmp_path: Path) -> None:
    config, model = tmp_path / "config.yaml", tmp_path / "model"
    config.write_text(CONFIG.format(shape=[8, 8], epochs=1))
    words = ("-c", config, "-dt", pictures_table, "-m-dir", model)
    assert cli("run", "-t", *words)[0] == 0

    code, out, err = cli("run", *words)

    assert code == 0, err
    assert len(list(Path(out.strip()).glob("reconstruction_*.tiff"))) == 16


def test_a_family_that_cannot_says_which_can(cli: Cli, pictures_table: Path, pictures_model: Path) -> None:
    code, _, err = cli("reconstruct", "-m-dir", pictures_model, "-dt", pictures_table)

    assert code == 2
    assert "'ddpm' synthesises new images and cannot reconstruct given ones" in err
    assert "autoencoder_kl" in err
