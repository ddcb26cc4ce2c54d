"""Both stages of latent_diffusion by one command."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.factories import Cli, write_tiny_config

from gandlf_synth.models.checkpoint import read_checkpoint


@pytest.fixture
def job(pictures_table: Path, tmp_path: Path) -> tuple[object, ...]:
    config = write_tiny_config(tmp_path / "config.yaml", "latent_diffusion", [12, 10], epochs=3)
    return ("-c", config, "-dt", pictures_table)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(checkpoint)["state_dict"]


def test_one_command_trains_both_and_an_interrupted_run_goes_on_in_either(
    cli: Cli, job: tuple[object, ...], tmp_path: Path
) -> None:
    model = tmp_path / "model"
    assert cli("train", *job, "-m-dir", model)[0] == 0
    last, first = model / "checkpoints" / "last.ckpt", model / "first_stage"
    whole = weights(last)
    for name, value in weights(first / "checkpoints" / "last.ckpt").items():
        assert torch.equal(whole[f"first_stage.{name}"], value), name
    assert whole["scale.measured"]

    code, out, err = cli("generate", "-m-dir", model, "-n", 4)
    assert code == 0, err
    assert len(list(Path(out.strip()).glob("generated_image*"))) >= 4

    # as if the power had failed in the first stage, after its last checkpoint
    shutil.rmtree(model / "checkpoints")
    record = json.loads((first / "run.json").read_text())
    record["sessions"][-1]["ended"] = ""
    (first / "run.json").write_text(json.dumps(record))
    code, _, err = cli("train", *job, "-m-dir", model, "--resume")
    assert code == 0, err
    assert all(torch.equal(value, whole[name]) for name, value in weights(last).items())

    # as if it had failed between the stages
    shutil.rmtree(model / "checkpoints")
    written = (first / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert cli("train", *job, "-m-dir", model, "--resume")[0] == 0
    assert (first / "checkpoints" / "last.ckpt").stat().st_mtime_ns == written
    assert all(torch.equal(value, whole[name]) for name, value in weights(last).items())


def test_a_trained_autoencoder_is_used_instead_of_training_one(
    cli: Cli, job: tuple[object, ...], tmp_path: Path
) -> None:
    model, other = tmp_path / "model", tmp_path / "other"
    assert cli("train", *job, "-m-dir", model)[0] == 0
    given = f"model_config.first_stage_checkpoint={model / 'first_stage'}"

    assert cli("train", *job, "-m-dir", other, "--set", given)[0] == 0

    assert not (other / "first_stage").exists()
    ours, theirs = (weights(folder / "checkpoints" / "last.ckpt") for folder in (other, model))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_only_the_second_stage_is_measured_by_its_samples(cli: Cli, job: tuple[object, ...], tmp_path: Path) -> None:
    model = tmp_path / "model"
    sets = (
        "sample_metrics_config={every_n_epochs: 1, n_images: 8, extractor: random-conv}",
        "early_stopping_config={monitor_value: sample_kid, patience: 5}",
    )

    code, _, err = cli(
        "train", *job, "-m-dir", model, "-vr", "0.4", *(word for each in sets for word in ("--set", each))
    )

    assert code == 0, err
    assert "sample_kid" in json.loads((model / "run.json").read_text())["metrics"]
    assert "sample_kid" not in json.loads((model / "first_stage" / "run.json").read_text())["metrics"]
    assert (model / "checkpoints" / "best.ckpt").is_file()
