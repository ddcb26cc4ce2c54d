"""The main job as a user does it: images → CSV → training → synthetic images."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from tests.factories import Cli, TableOf, TinyConfig, blob, write_nifti

from gandlf_synth.config import load_config
from gandlf_synth.data.formats.writers import read_provenance
from gandlf_synth.data.table.manifest import read_manifest


@pytest.fixture
def volume_model(cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path) -> Path:
    """A model of two-channel volumes, trained through the flags of the existing GaNDLF-Synth."""
    csv, model = table_of(volumes, "_t1.nii.gz,_t2.nii.gz"), tmp_path / "model"
    config = tiny_config([8, 8, 8], "inference_parameters: {n_images_to_generate: 3, batch_size: 2}\n")
    code, _, err = cli("run", "-t", "-c", config, "-dt", csv, "-m-dir", model, "-vr", "0.2", "-tr", "0.2")
    assert code == 0, err
    return model


def test_volumes_come_out_with_geometry_units_and_provenance(cli: Cli, volume_model: Path, tmp_path: Path) -> None:
    code, out, err = cli("run", "-c", volume_model / "config.yaml", "-m-dir", volume_model, "-i-dir", tmp_path / "out")

    assert code == 0, err
    folder = Path(out.strip())
    assert folder == tmp_path / "out" / "model_inference_output"
    names = sorted(path.name for path in folder.glob("*.nii.gz"))
    assert names == [f"generated_image_{index}_{channel}.nii.gz" for index in range(3) for channel in ("t1", "t2")]
    t1, t2 = (nib.load(folder / f"generated_image_0_{channel}.nii.gz") for channel in ("t1", "t2"))
    assert t1.shape == (8, 8, 8)
    assert nib.aff2axcodes(t1.affine) == ("R", "A", "S")
    extent = np.array([20.0, 24.0, 16.0])
    assert np.allclose(t1.header.get_zooms(), extent / 8, atol=1e-3)
    centre = t1.affine @ [3.5, 3.5, 3.5, 1]
    assert np.allclose(centre[:3], [11, 19, -33], atol=0.1)  # the middle of the training volumes
    assert t1.get_fdata().max() < 600
    assert 1000 < t2.get_fdata().max() < 100_000
    record = json.loads((folder / "generated_image_0.json").read_text())
    assert record["synthetic"] is True
    assert record["model_name"] == "ddpm"
    assert read_provenance(folder / "generated_image_0_t1.nii.gz")["seed"] == record["seed"]
    assert b"SYNTHETIC" in bytes(t1.header["descrip"])


def test_the_model_folder_tells_how_the_model_was_made(volume_model: Path) -> None:
    record = json.loads((volume_model / "run.json").read_text())
    resolved = load_config(volume_model / "resolved_config.yaml").config

    assert {"train_loss", "val_loss", "test_loss"} <= set(record["metrics"])
    assert record["epochs"] == 2
    assert record["versions"]["torch"]
    assert (volume_model / "checkpoints" / "last.ckpt").is_file()
    assert (volume_model / "checkpoints" / "best.ckpt").is_file()
    assert list(volume_model.glob("training_logs/*/metrics.csv"))
    assert list(volume_model.glob("training_logs/*/events.out.tfevents*"))
    assert (volume_model / "eval_images" / "epoch_0002.png").is_file()
    assert "Trained 2 epochs" in (volume_model / "training_manager.log").read_text()
    assert (resolved.model.n_channels, resolved.model.n_dimensions) == (2, 3)
    text = (volume_model / "resolved_config.yaml").read_text()
    assert "# auto: 2 columns in the CSV" in text


def test_same_seed_same_bytes_and_one_image_alone(cli: Cli, volume_model: Path, tmp_path: Path) -> None:
    def make(name: str, *words: object) -> Path:
        code, out, err = cli("generate", "-m-dir", volume_model, "-i-dir", tmp_path / name, "-n", 4, *words)
        assert code == 0, err
        return Path(out.strip())

    first, again = make("a", "--batch-size", 4), make("b", "--batch-size", 4)
    alone, other = make("c", "--only", "2", "--batch-size", 1), make("d", "--seed", 7)

    files = sorted(path.name for path in first.glob("generated_image*"))
    assert all((first / name).read_bytes() == (again / name).read_bytes() for name in files)
    assert [path.name for path in sorted(alone.glob("*t1.nii.gz"))] == ["generated_image_2_t1.nii.gz"]
    voxels = [nib.load(folder / "generated_image_2_t1.nii.gz").get_fdata() for folder in (first, alone, other)]
    assert np.allclose(voxels[0], voxels[1], atol=1e-2)
    assert not np.allclose(voxels[0], voxels[2], atol=1)


def test_histology_comes_out_in_colour_per_class(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    code, _, err = cli("train", "-c", tiny_config([16, 12]), "-dt", pictures_table, "-m-dir", model)
    assert code == 0, err

    code, out, err = cli("generate", "-m-dir", model, "-n", "tumour=2", "-n", "benign=1")

    assert code == 0, err
    folder = Path(out.strip())
    names = sorted(path.name for path in folder.glob("*.tiff"))
    assert names == [
        "generated_image_0_label_1.tiff",
        "generated_image_1_label_1.tiff",
        "generated_image_2_label_0.tiff",
    ]
    picture = tifffile.imread(folder / names[0])
    assert (picture.shape, picture.dtype) == ((12, 16, 3), np.uint8)
    assert json.loads((folder / "generated_image_0_label_1.json").read_text())["class"] == "tumour"
    made = read_manifest(folder / "inference_logs" / "images.csv")
    assert [(sample.label, sample.label_name) for sample in made.samples] == [
        (1, "tumour"),
        (1, "tumour"),
        (0, "benign"),
    ]


def test_patients_are_classes(
    cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    csv, model = table_of(volumes, "_t1.nii.gz", "patient"), tmp_path / "model"
    assert cli("train", "-c", tiny_config([8, 8, 8]), "-dt", csv, "-m-dir", model)[0] == 0

    code, out, _ = cli("generate", "-m-dir", model, "-n", "sub-3=1", "--guidance-scale", "2", "--sampler", "ddpm")

    assert code == 0
    record = json.loads((Path(out.strip()) / "generated_image_0_label_3.json").read_text())
    assert (record["class"], record["sampling"]["sampler"]) == ("sub-3", "ddpm")


def test_a_run_can_be_extended_and_reset(
    cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    csv, model = table_of(volumes, "_t1.nii.gz"), tmp_path / "model"
    config = tiny_config([8, 8, 8])
    train = ("train", "-c", config, "-dt", csv, "-m-dir", model)
    assert cli(*train)[0] == 0

    assert cli(*train)[0] == 2  # the folder holds a run
    config.write_text(config.read_text().replace("num_epochs: 2", "num_epochs: 3"))
    assert cli(*train, "-rs")[0] == 0
    extended = json.loads((model / "run.json").read_text())["epochs"]
    assert cli(*train, "-rt")[0] == 0

    assert extended == 3
    assert json.loads((model / "run.json").read_text())["epochs"] == 3
    assert len(list(model.glob("training_logs/*"))) == 1


def test_the_second_run_reads_no_source_image(
    cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    csv = table_of(volumes, "_t1.nii.gz")
    config = tiny_config([8, 8, 8])
    opened: set[str] = set()
    sys.addaudithook(lambda event, facts: opened.add(str(facts[0])) if event == "open" else None)

    def read_by(model: str) -> int:
        opened.clear()
        assert cli("train", "-c", config, "-dt", csv, "-m-dir", tmp_path / model)[0] == 0
        return len([path for path in opened if path.startswith(str(volumes))])

    assert read_by("one") == 6
    assert read_by("two") == 0


def test_validation_and_test_csvs_of_their_own(
    cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    csv = table_of(volumes, "_t1.nii.gz")
    header, *rows = csv.read_text().splitlines()
    for name, part in (("train", rows[:4]), ("val", rows[4:5]), ("test", rows[5:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    extra = "early_stopping_config: {monitor_value: val_loss, monitor_mode: min, patience: 3}\nsave_model_every_n_epochs: 1\n"

    code, _, err = cli(
        "train", "-c", tiny_config([8, 8, 8], extra), "-dt", tmp_path / "train.csv", "-m-dir", tmp_path / "model",
        "-v-csv", tmp_path / "val.csv", "-t-csv", tmp_path / "test.csv",
    )  # fmt: skip

    assert code == 0, err
    metrics = json.loads((tmp_path / "model" / "run.json").read_text())["metrics"]
    assert {"val_loss", "test_loss"} <= set(metrics)
    kept = sorted(path.name for path in (tmp_path / "model" / "checkpoints").iterdir())
    assert kept == ["best.ckpt", "epoch_0000.ckpt", "epoch_0001.ckpt", "last.ckpt"]


def test_augmentation_and_2d_nifti(cli: Cli, table_of: TableOf, tiny_config: TinyConfig, tmp_path: Path) -> None:
    for index in range(4):
        write_nifti(tmp_path / "images" / f"case{index}" / "slice.nii.gz", blob((12, 10), index))
    csv = table_of(tmp_path / "images", "slice.nii.gz")
    extra = "data_augmentation: {train: [{flip: {axis: [0]}}, {noise: {std: 0.05}}]}\n"

    code, _, err = cli("train", "-c", tiny_config([8, 8], extra), "-dt", csv, "-m-dir", tmp_path / "model")
    assert code == 0, err
    code, out, _ = cli("generate", "-m-dir", tmp_path / "model", "-n", "1", "--format", "nifti")

    assert code == 0
    assert nib.load(Path(out.strip()) / "generated_image_0.nii.gz").shape == (8, 8, 1)


def test_verify_install_takes_a_real_step(cli: Cli) -> None:
    code, out, _ = cli("verify-install")

    assert code == 0
    assert "torch" in out
    assert "one training step of ddpm, loss" in out
