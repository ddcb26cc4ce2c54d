"""A training starts from a trained model: what it takes from there, what it says, what it leaves on record."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from tests.factories import TINY, Cli, blob_picture, write_picture, write_table
from tests.processes import same_state

from gandlf_synth.cli.main import main
from gandlf_synth.models.checkpoint import load_module

BARE = (
    "model_config: {model_name: ddpm, lr_cooldown_fraction: 0, lr_warmup_fraction: 0}\nnum_epochs: 2\nbatch_size: 4\n"
)


def write_data(root: Path, name: str, classes: list[str]) -> Path:
    rows = []
    for number in range(8):
        label = number % len(classes)
        picture = write_picture(root / name / f"{number}.png", blob_picture(12, number))
        rows.append((f"s{number}", picture, label, classes[label]))
    return write_table(root / f"{name}.csv", ("SubjectID", "Channel_0", "Label", "LabelMapping"), rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model, data of other classes, and a configuration that says nothing of networks."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        (root / "parent.yaml").write_text(TINY.format(shape=[12, 12]).replace("num_epochs: 2", "num_epochs: 12"))
        (root / "config.yaml").write_text(BARE + "compute: {accelerator: cpu, precision: 32}\n")
        first = write_data(root, "parent", ["glioma", "healthy"])
        write_data(root, "child", ["healthy", "other"])
        words = ("-c", root / "parent.yaml", "-dt", first, "-m-dir", root / "big")
        assert main(["train", *map(str, words)]) == 0
        (root / "big" / "LICENSE").write_text("CC BY-NC 4.0\n")
        shutil.copy(root / "big" / "LICENSE", root / "big" / "checkpoints")
        yield root


@pytest.fixture
def start(trained: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(trained / "cache"))

    def call(*words: object) -> tuple[int, str, str]:
        return cli("train", "-c", trained / "config.yaml", "-dt", trained / "child.csv", *words)

    return call


def test_a_model_starts_from_another_and_says_so_everywhere(
    trained: Path, start: Cli, cli: Cli, tmp_path: Path
) -> None:
    model = tmp_path / "small"
    code, _, err = start("-m-dir", model, "--init-from", trained / "big")

    assert code == 0, err
    assert "Starts from big (gandlf-synth; license: CC BY-NC 4.0; origin: a model of GaNDLF-Synth)" in err
    assert "Warning: the parent may not be used commercially, nor may what is made from it" in err
    assert "  together              143      0          0" in err
    assert "classes, matched by name: known: healthy; new: other; not used: glioma" in err
    assert "training images; without training it is" in err
    resolved = YAML(typ="safe").load((model / "resolved_config.yaml").read_text())
    assert resolved["model_config"]["architecture"]["num_channels"] == [8, 8]
    assert resolved["model_config"]["tensor_shape"] == [12, 12]
    assert resolved["model_config"]["optimizers"]["lr"] == pytest.approx(5e-5)
    before = YAML(typ="safe").load((trained / "big" / "resolved_config.yaml").read_text())
    assert resolved["data_preprocessing"]["train"] == before["data_preprocessing"]["train"]
    record = json.loads((model / "run.json").read_text())["init_from"]
    counts = {"loaded": 143, "new": 0, "left_over": 0}
    known = {"source": "big", "adapter": "gandlf-synth", "license": "CC BY-NC 4.0", "non_commercial": True}
    assert {key: record[key] for key in (*known, *counts)} == {**known, **counts}
    parent = load_module(trained / "big" / "checkpoints" / "last.ckpt")
    cli("generate", "-m-dir", trained / "big", "-i-dir", tmp_path / "a", "-n", 1)
    assert cli("generate", "-m-dir", model, "-i-dir", tmp_path / "b", "-n", "other=1")[0] == 0
    sidecars = [json.loads(next((tmp_path / name).rglob("generated_image_0*.json")).read_text()) for name in "ab"]
    assert record["weights_sha256"] == sidecars[0]["weights_sha256"]
    assert sidecars[1]["init_from"] == record
    assert "init_from" not in sidecars[0]
    child = load_module(model / "checkpoints" / "last.ckpt")
    distance = sum(
        float((own - value).detach().norm())
        for (name, own), value in zip(child.named_parameters(), parent.parameters(), strict=True)
        if "class_embedding" not in name
    )
    assert distance < 0.5, "four steps at a tenth of the rate leave weights near those of the parent"


def test_the_terms_of_a_parent_go_on_to_its_grandchildren(trained: Path, start: Cli, cli: Cli, tmp_path: Path) -> None:
    model = tmp_path / "small"
    assert start("-m-dir", model, "--init-from", trained / "big", "--set", "num_epochs=1")[0] == 0
    assert cli("export", "-m-dir", model, "-o", tmp_path / "exported")[0] == 0
    path = f"model_config.init_from={{path: {tmp_path / 'exported'}, origin: a colleague}}"
    code, _, err = start("-m-dir", tmp_path / "smaller", "--set", path, "--set", "num_epochs=1")
    assert code == 0, err
    assert "Starts from exported (gandlf-synth; license: CC BY-NC 4.0; origin: a colleague)" in err
    record = json.loads((tmp_path / "smaller" / "run.json").read_text())["init_from"]
    assert record["non_commercial"]
    assert record["init_from"]["source"] == "big"
    assert record["init_from"]["weights_sha256"] != record["weights_sha256"]
    assert cli("export", "-m-dir", tmp_path / "smaller", "-o", tmp_path / "again")[0] == 0
    card = (tmp_path / "again" / "README.md").read_text()
    assert "- it started from another model: exported" in card
    assert "- which started from big (origin: a model of GaNDLF-Synth, license: CC BY-NC 4.0" in card
    steps = [
        YAML(typ="safe").load((folder / "resolved_config.yaml").read_text())["data_preprocessing"]["train"]
        for folder in (trained / "big", tmp_path / "smaller")
    ]
    assert steps[0] == steps[1], "an exported folder brings its preprocessing"


@pytest.mark.slow
def test_changes_of_low_rank_resume_exactly_and_are_merged(trained: Path, start: Cli, cli: Cli, tmp_path: Path) -> None:
    words = ("--init-from", trained / "big", "--set", "model_config.lora={rank: 2, where: all}")
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert start("-m-dir", whole, *words, "--set", "num_epochs=3")[0] == 0
    assert start("-m-dir", halves, *words)[0] == 0
    moved = trained / "elsewhere"
    (trained / "big").rename(moved)
    try:
        code, _, err = start("-m-dir", halves, "--resume", "--set", "num_epochs=3")
    finally:
        moved.rename(trained / "big")
    assert code == 0, err
    assert same_state(*(folder / "checkpoints" / "last.ckpt" for folder in (whole, halves)))
    assert json.loads((halves / "run.json").read_text())["init_from"]["source"] == "big"
    module = load_module(halves / "checkpoints" / "last.ckpt")
    parent = load_module(trained / "big" / "checkpoints" / "last.ckpt")
    assert set(module.state_dict()) == set(parent.state_dict())
    assert module.config.lora is None
    small = halves / "adapter.safetensors"
    assert small.stat().st_size < 0.7 * (trained / "big" / "checkpoints" / "last.ckpt").stat().st_size
    code, _, err = cli("export", "-m-dir", trained / "big", "-ckpt-path", small, "-o", tmp_path / "merged")
    assert code == 0, err
    merged = load_module(tmp_path / "merged" / "model.safetensors")
    assert all(torch.equal(value, merged.state_dict()[key]) for key, value in module.state_dict().items())
    code, _, err = cli("generate", "-m-dir", trained / "big", "-ckpt-path", small, "-n", 1)
    assert (code, "holds only what lora has changed of a model, not the model; put them together" in err) == (4, True)
    code, _, err = cli("export", "-m-dir", whole, "-ckpt-path", small, "-o", tmp_path / "wrong")
    assert (code, "changes the model with weights_sha256" in err.replace("\n", " ")) == (4, True)
    name = "process.denoiser.unet.out.2.conv.weight"
    assert not torch.equal(module.state_dict()[name], parent.state_dict()[name])


def test_what_contradicts_the_parent_is_told_before_anything_is_written(
    trained: Path, start: Cli, tmp_path: Path
) -> None:
    model, big = tmp_path / "small", trained / "big"
    cases = {
        "model_config.architecture={num_train_timesteps: 20}": (
            "--set model_config.architecture.num_train_timesteps: is 20, and big was trained with 10; leave it out"
        ),
        "model_config.architecture=S": "architecture: is S, and the networks are those of big; leave it out",
        "model_config.prediction_type=epsilon": "is epsilon, and big was trained with v_prediction",
        "model_config.model_name=flow_matching": "holds a ddpm model, and model_name is flow_matching",
        "model_config.freeze=encoder": "names 'encoder', and ddpm has no part of that name; allowed: ",
        "model_config.freeze=process": "model_config.freeze: leaves nothing of the network 'model' to train",
        "model_config.controlnet_from=" + str(big): "trains a branch beside a model that stays as it is",
    }
    for assignment, message in cases.items():
        code, _, err = start("-m-dir", model, "--init-from", big, "--set", assignment)
        assert code != 0
        assert message in err.replace("\n", " "), err
    for key in ("freeze=denoiser", "lora={rank: 4}"):
        code, _, err = start("-m-dir", model, "--set", f"model_config.{key}")
        assert (code, "without init_from these are random; add init_from" in err) == (2, True)
    code, _, err = start("-m-dir", big, "--resume", "--init-from", big)
    assert (code, "--init-from: begins a training, and --resume goes on with one" in err) == (2, True)
    assert not model.exists()


def test_check_shows_how_the_preprocessing_differs(trained: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(trained / "cache"))
    steps = "data_preprocessing=[rescale: {in_min_max: [0, 255], out_min_max: [0, 1]}]"
    words = (
        "-c",
        trained / "config.yaml",
        "-dt",
        trained / "child.csv",
        "--init-from",
        trained / "big",
        "--set",
        steps,
    )
    code, out, _ = cli("check", *words, "--fast")
    assert code == 0
    assert "data_preprocessing is not that of big" in " ".join(out.split())
