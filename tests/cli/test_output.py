"""What commands write for scripts: JSON, nothing but results, or what they would do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.factories import Cli, TinyConfig


@pytest.fixture
def job(pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path) -> tuple[object, ...]:
    return ("-c", tiny_config([8, 8]), "-dt", pictures_table, "-m-dir", tmp_path / "model")


def test_json_is_the_whole_result(cli: Cli, job: tuple[object, ...], pictures: Path, tmp_path: Path) -> None:
    _, out, _ = cli("construct-csv", "-i", pictures, "-ch", ".png", "-l", "custom", "-o", tmp_path / "b.csv", "--json")
    assert json.loads(out)["classes"] == {"benign": 8, "tumour": 8}

    _, out, _ = cli("train", *job, "--json")
    trained = json.loads(out)
    assert trained["model_dir"] == str(tmp_path / "model")
    assert trained["record"]["epochs"] == 2

    _, out, _ = cli("generate", "-m-dir", tmp_path / "model", "-n", 2, "--json")
    assert all(Path(each).is_file() for each in json.loads(out)["images"])


def test_every_command_that_writes_says_what_as_json(
    cli: Cli, job: tuple[object, ...], pictures: Path, tmp_path: Path
) -> None:
    def told(*words: object) -> Any:
        code, out, err = cli(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    assert Path(told("init", pictures, "-o", tmp_path / "project")["config"]).is_file()
    assert Path(told("preview", *job[:4], "-o", tmp_path / "preview", "-n", 2)["picture"]).is_file()
    assert all(Path(each).is_file() for each in told("new-model", "mine", "-o", tmp_path))
    assert told("verify-install")["versions"]["torch"]

    assert cli("train", *job)[0] == 0
    assert all(Path(each).is_file() for each in told("export", "-m-dir", tmp_path / "model", "-o", tmp_path / "out"))


def test_a_dry_run_checks_everything_and_writes_nothing(cli: Cli, job: tuple[object, ...], tmp_path: Path) -> None:
    model = tmp_path / "model"
    code, out, err = cli("train", *job, "--dry-run")
    assert code == 0, err
    assert "model_config.labeling_paradigm: custom" in out
    assert not model.exists()
    assert cli("train", *job, "--dry-run", "--set", "batch_size=none")[0] == 2

    assert cli("train", *job)[0] == 0
    before = sorted(path for path in model.rglob("*"))
    code, out, _ = cli("generate", "-m-dir", model, "-n", 5, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["images"] == 5
    assert cli("generate", "-m-dir", model, "-n", 5, "--sampler", "none", "--dry-run")[0] == 2
    assert sorted(path for path in model.rglob("*")) == before


@pytest.mark.parametrize("place", [0, 1, -1])
def test_quiet_leaves_results_and_errors(cli: Cli, job: tuple[object, ...], tmp_path: Path, place: int) -> None:
    words = ["train", *job]
    words.insert(len(words) if place == -1 else place, "-q")

    code, out, err = cli(*words)

    assert code == 0
    assert err == ""
    assert Path(out.strip()).is_file()
    code, _, err = cli(*words)
    assert code == 2
    assert "already holds a run" in err


@pytest.mark.parametrize(("typed", "offered"), [("gen", "generate"), ("generate --per-c", "--per-class")])
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    words = f"gandlf-synth {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_GANDLF_SYNTH_COMPLETE": "bash_complete"}
    program = Path(sys.executable).with_name("gandlf-synth")

    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, text=True, check=False)

    assert f"plain,{offered}" in done.stdout.splitlines()
