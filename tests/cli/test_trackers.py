"""MLflow and Weights & Biases on request: one run, its numbers and its configuration, and nothing leaves the machine."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.factories import Cli, TinyConfig
from tests.processes import run, torchrun

Job = Callable[[str], list[str]]
PACKAGES = {"mlflow": "sqlalchemy", "wandb": "wandb"}


@pytest.fixture
def job(pictures_table: Path, tiny_config: TinyConfig) -> Job:
    def words(section: str) -> list[str]:
        config = tiny_config([8, 8], f"logging_config: {section}\n")
        return ["-c", str(config), "-dt", str(pictures_table), "-vr", "0.25"]

    return words


@pytest.fixture
def dead_proxy() -> Iterator[socket.socket]:
    """Where every request to the outside would go; nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def client_of(model: Path) -> Any:
    return pytest.importorskip("mlflow").MlflowClient(f"sqlite:///{model / 'mlflow.db'}")


def runs_in(model: Path) -> list[Any]:
    client = client_of(model)
    return list(client.search_runs([each.experiment_id for each in client.search_experiments()]))


def steps_of(model: Path, name: str) -> list[int]:
    (run,) = runs_in(model)
    return [value.step for value in client_of(model).get_metric_history(run.info.run_id, name)]


def test_without_the_section_there_are_only_files(cli: Cli, job: Job, tmp_path: Path) -> None:
    assert cli("train", *job("null"), "-m-dir", tmp_path / "model")[0] == 0

    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert not names & {"mlflow.db", "wandb", "tracked_runs.json"}
    assert (tmp_path / "model" / "training_logs" / "run_0" / "metrics.csv").is_file()


def test_mlflow_has_the_numbers_and_the_resolved_configuration(
    cli: Cli, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"

    code, _, err = cli("train", *job("{mlflow: {experiment_name: tiles}}"), "-m-dir", model)

    assert code == 0, err
    assert "INFO" not in err
    (run,) = runs_in(model)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "model")
    assert run.data.params["model_config/model_name"] == "ddpm"
    assert run.data.params["model_config/n_channels"] == "3"
    assert {"train_loss", "val_loss"} <= set(run.data.metrics)
    assert run.info.artifact_uri.startswith(f"file://{model}/mlflow_artifacts/")
    assert not (tmp_path / "mlruns").exists()


def test_a_resumed_run_goes_on_and_a_reset_one_begins_anew(cli: Cli, job: Job, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    model = tmp_path / "model"
    words = ("train", *job("{mlflow: {}}"), "-m-dir", model)
    assert cli(*words)[0] == 0
    before = steps_of(model, "train_loss")

    code, _, err = cli(*words, "--resume", "--set", "num_epochs=4")

    assert code == 0, err
    (run,) = runs_in(model)
    assert max(steps_of(model, "train_loss")) > max(before)
    assert run.data.params["num_epochs"] == "2"
    assert run.data.tags["resumed/num_epochs"] == "4"

    assert cli(*words, "--reset")[0] == 0

    assert len(runs_in(model)) == 2


def test_a_store_that_does_not_know_the_run_gets_a_new_one(cli: Cli, job: Job, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    model, other = tmp_path / "model", tmp_path / "other"
    other.mkdir()
    assert cli("train", *job("{mlflow: {}}"), "-m-dir", model)[0] == 0
    words = job(f"{{mlflow: {{tracking_uri: 'sqlite:///{other / 'mlflow.db'}'}}}}")

    code, _, err = cli("train", *words, "-m-dir", model, "--resume", "--set", "num_epochs=3")

    assert code == 0, err
    (run,) = runs_in(other)
    assert json.loads((model / "tracked_runs.json").read_text()) == {"mlflow": run.info.run_id}


def test_a_store_that_cannot_be_used_is_named(cli: Cli, job: Job, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")

    code, _, err = cli("train", *job("{mlflow: {tracking_uri: 'nowhere://x'}}"), "-m-dir", tmp_path / "model")

    assert code == 7
    assert "logging_config.mlflow: nowhere://x cannot be used" in err
    assert "correct tracking_uri" in err


@pytest.mark.slow
def test_two_processes_make_one_run(job: Job, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")

    run("train", *job("{mlflow: {}}"), "-m-dir", tmp_path / "model", launcher=torchrun(2))

    assert len(runs_in(tmp_path / "model")) == 1


def test_wandb_keeps_the_run_in_the_model_folder(
    cli: Cli, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model"
    words = ("train", *job("{wandb: {project: tiles}}"), "-m-dir", model)

    code, _, err = cli(*words)
    assert code == 0, err
    code, _, err = cli(*words, "--resume", "--set", "num_epochs=3")
    assert code == 0, err

    run = json.loads((model / "tracked_runs.json").read_text())["wandb"]
    folders = list((model / "wandb").glob("offline-run-*"))
    assert [folder.name.rsplit("-", 1)[1] for folder in folders] == [run, run]
    assert b"train_loss" in b"".join(file.read_bytes() for folder in folders for file in folder.glob("*.wandb"))
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_is_sent(job: Job, tmp_path: Path, dead_proxy: socket.socket, name: str) -> None:
    pytest.importorskip(name)
    silenced = {"PYTEST_CURRENT_TEST", "CI", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING"}
    kept = {key: value for key, value in os.environ.items() if key not in silenced and "proxy" not in key.lower()}
    proxy = f"http://127.0.0.1:{dead_proxy.getsockname()[1]}"
    environment = kept | {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "OMP_NUM_THREADS": "1"}
    words = [*job(f"{{{name}: {{}}}}"), "-m-dir", str(tmp_path / "model")]
    command = [sys.executable, "-m", "gandlf_synth", "train", *words]

    done = subprocess.run(command, env=environment, timeout=120, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    with pytest.raises(BlockingIOError):
        dead_proxy.accept()


@pytest.mark.parametrize(("name", "package"), PACKAGES.items())
def test_a_missing_package_is_told_with_the_line_that_installs_it(
    cli: Cli, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setattr("gandlf_synth.training.loggers.find_spec", lambda each: each != package or None)
    words = job(f"{{{name}: {{}}}}")

    code, _, err = cli("train", *words, "-m-dir", tmp_path / "model")
    report = tmp_path / "report.json"
    checked, _, _ = cli("check", *words, "--fast", "--json", report)

    assert code == 5
    assert f"logging_config.{name}: the package '{package}' is not installed" in err
    assert f"pip install 'gandlf-synth[{name}]'" in err
    assert not (tmp_path / "model").exists()
    assert checked != 0
    assert f"pip install 'gandlf-synth[{name}]'" in report.read_text()


def test_a_section_without_a_tracker_is_refused(cli: Cli, job: Job, tmp_path: Path) -> None:
    code, _, err = cli("train", *job("{mlflow: null}"), "-m-dir", tmp_path / "model")

    assert code == 2
    assert "logging_config" in err
    assert "names no tracker" in err
