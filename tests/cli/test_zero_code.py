"""What people use who write no code: init, models, config, schema, --set, doctor."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from tests.factories import Cli, write_picture

from gandlf_synth.config import load_config, read_document
from gandlf_synth.data.table.manifest import read_manifest


def test_init_writes_a_project_that_trains_without_edits(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    code, out, err = cli("init", pictures, "-o", tmp_path / "project")

    assert code == 0, err
    check, preview, train, generate, evaluate = out.splitlines()
    assert "classes" in err
    config = load_config(tmp_path / "project" / "config.yaml").config
    assert config.model.model_name == "ddpm"
    assert [line.split()[1] for line in (check, preview, generate, evaluate)] == [
        "check",
        "preview",
        "generate",
        "evaluate",
    ]
    for line in (check, preview):
        code, _, err = cli(*line.split()[1:])
        assert code == 0, err
    small = ("--set", "num_epochs=1", "--set", "model_config.architecture=XS")
    code, _, err = cli(*train.split()[1:], *small, "--set", "model_config.save_eval_images_every_n_epochs=-1")
    assert code == 0, err
    resolved: Any = load_config(tmp_path / "project" / "model" / "resolved_config.yaml").config
    assert (resolved.num_epochs, resolved.model.architecture.num_channels) == (1, [16, 32, 64])


def test_what_init_names_as_next_ends_with_a_report_on_subjects_that_were_not_trained_on(
    cli: Cli, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for subject in range(60):
        write_picture(
            tmp_path / "images" / f"s{subject:02}" / "image.png", rng.integers(0, 255, (16, 16)).astype(np.uint8)
        )
    project = tmp_path / "project"

    code, out, err = cli("init", tmp_path / "images", "-o", project)
    assert code == 0, err
    train, test = (
        {sample.subject for sample in read_manifest(project / name).samples} for name in ("data.csv", "test.csv")
    )
    *_, training, generation, evaluation = [line.split()[1:] for line in out.splitlines()]

    said = " ".join(err.split())
    assert f"{tmp_path / 'images'}: 60 images of 60 subjects" in said
    assert f"{project / 'data.csv'}: 48 rows to train on" in said
    assert f"{project / 'test.csv'}: 12 rows of other subjects, kept out of training for evaluate" in said
    assert (len(train), len(test), train & test) == (48, 12, set())
    assert training[training.index("-t-csv") + 1] == evaluation[evaluation.index("-r") + 1] == str(project / "test.csv")
    few = ("--set", "num_epochs=1", "--set", "model_config.save_eval_images_every_n_epochs=-1")
    for words in (
        [*training, *few, "--set", "model_config.architecture=XS"],
        [*(word if word != "100" else "4" for word in generation), "--steps", "2"],
        [*evaluation, "--extractor", "random-conv"],
    ):
        code, _, err = cli(*words)
        assert code == 0, err
    assert (project / "evaluation" / "report.html").is_file()


def test_subjects_are_held_out_of_a_csv_where_somebody_asks(cli: Cli, tmp_path: Path, pictures: Path) -> None:
    cli("init", pictures, "-o", tmp_path / "all")
    csv = tmp_path / "all" / "data.csv"
    rows = len(read_manifest(csv).samples)

    code, out, err = cli("init", csv, "-o", tmp_path / "project", "--held-out", "0.25")

    assert code == 0, err
    held_out = len(read_manifest(tmp_path / "project" / "test.csv").samples)
    assert (held_out, len(read_manifest(tmp_path / "project" / "data.csv").samples)) == (rows // 4, rows - rows // 4)
    assert f"-r {tmp_path / 'project' / 'test.csv'}" in out


def test_init_does_not_hold_out_subjects_twice(cli: Cli, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for subject in range(4):
            array = np.full((16, 16), 20 * subject + len(split), np.uint8)
            array[4:9, 3:12] = 200
            write_picture(tmp_path / "images" / split / f"{split}{subject}" / "image.png", array)

    code, _, err = cli("init", tmp_path / "images", "-o", tmp_path / "project", "--held-out", "0.25")

    assert code == 2
    assert "--held-out 0.25: " in " ".join(err.split())
    assert "has test images already, from a folder of" in " ".join(err.split())


def test_init_never_writes_over_a_project(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    cli("init", pictures, "-o", tmp_path)
    before = (tmp_path / "config.yaml").read_text()

    code, _, err = cli("init", pictures, "-o", tmp_path, "--memory", "2GB")

    assert code == 2
    assert "exists already" in err
    assert (tmp_path / "config.yaml").read_text() == before


def test_set_is_named_where_it_is_wrong(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model_config: {model_name: ddpm}\n")

    code, _, err = cli("config", "show", "-c", tmp_path / "c.yaml", "--set", "model_config.guidance_scal=2")

    assert code == 2
    assert "--set model_config.guidance_scal" in err
    assert "did you mean 'guidance_scale'?" in err


def test_config_show_is_a_config(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model_config: {model_name: ddpm}\n")

    code, out, _ = cli("config", "show", "-c", tmp_path / "c.yaml", "--set", "num_epochs=3")
    (tmp_path / "shown.yaml").write_text(out)

    assert code == 0
    assert load_config(tmp_path / "shown.yaml").config.num_epochs == 3


def test_config_explain(cli: Cli) -> None:
    code, out, _ = cli("config", "explain", "beta_schedule")
    wrong, _, err = cli("config", "explain", "beta_schedul_")

    assert code == 0
    assert "cosine | linear | scaled_linear | sigmoid" in out
    assert wrong == 2
    assert "did you mean 'beta_schedule'?" in err


def test_models_tells_all_families_and_the_keys_of_one(cli: Cli) -> None:
    _, listed, _ = cli("models", "--json")
    _, one, _ = cli("models", "ddpm", "--json")

    assert json.loads(listed)["ddpm"]["tasks"] == ["synthesis", "inpainting"]
    assert any(key["path"] == "model_config.guidance_scale" for key in json.loads(one)["keys"])


def test_the_schema_accepts_every_shipped_config_and_names_what_is_wrong(cli: Cli) -> None:
    _, out, _ = cli("schema")
    validator = jsonschema.Draft202012Validator(json.loads(out))

    for path in sorted(Path("configs").glob("*.yaml")):
        assert not list(validator.iter_errors(read_document(path).content)), path
    messages = [error.message for error in validator.iter_errors({"model_config": {"model_name": "ddpm", "lr": 1}})]
    assert messages == ["Additional properties are not allowed ('lr' was unexpected)"]


def test_doctor_says_what_is_there(cli: Cli) -> None:
    code, out, _ = cli("doctor", "--json")

    assert code == 0
    found = json.loads(out)
    assert found["versions"]["torch"]
    assert "demo" in found["extras"]
    assert torch.cuda.is_available() or "no GPU can be used: torch " in found["devices"]["cuda"]


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--memory", "lots"], "'lots' is not a size"), (["--model", "ddmp"], "did you mean 'ddpm'?")],
)
def test_init_refuses_what_it_cannot_mean(
    cli: Cli, pictures: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    code, _, err = cli("init", pictures, "-o", tmp_path / "project", *words)

    assert code == 2
    assert message in err
    assert not (tmp_path / "project" / "config.yaml").exists()


def test_the_names_of_the_python_api_are_at_the_top() -> None:
    import gandlf_synth

    for name in gandlf_synth.__all__:
        assert callable(getattr(gandlf_synth, name)), name
    assert {"train", "generate", "reconstruct", "evaluate", "load_model"} <= set(dir(gandlf_synth))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["inpainting", "super-resolution", "mask"])
def test_the_demo_of_a_task_makes_what_it_was_not_trained_on(cli: Cli, tmp_path: Path, task: str) -> None:
    pytest.importorskip("nilearn")

    code, out, err = cli("demo", "--task", task, "-o", tmp_path / "demo", "--minutes", "0.02")

    assert code == 0, err
    images = list((tmp_path / "demo").glob("model_inference_output/*.nii.gz"))
    trained = {path.parent.name for path in (tmp_path / "demo" / "images").rglob("t1.nii.gz")}
    assert len(images) == 15
    assert all(not any(name in image.name for name in trained) for image in images)
    assert Path(out.strip().splitlines()[-1]).is_file()
