"""Two runs on one folder: the second one is refused, whenever it looked, and nothing of the first is lost."""

import os
from pathlib import Path

import pytest
from tests.factories import Cli
from tests.processes import start, write_job

from gandlf_synth.errors import ConfigError, GandlfSynthError, ResourceError
from gandlf_synth.files import only_writer
from gandlf_synth.model_folder import Mode, ModelFolder


def test_of_two_new_runs_that_both_found_the_folder_free_one_trains(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path, epochs=2), tmp_path / "model"

    both = [start("train", *words, "-m-dir", model) for _ in range(2)]
    messages = [process.communicate(timeout=300)[1] for process in both]

    codes = sorted(process.returncode for process in both)
    assert codes[0] == 0, messages
    assert codes[1] in (2, 7), messages
    assert any("already holds a run" in message or "in use by another run" in message for message in messages)
    assert not any("Traceback" in message for message in messages)
    assert ModelFolder(model).last.is_file()


@pytest.mark.parametrize(("mode", "error"), [("new", ConfigError), ("resume", ResourceError), ("reset", ResourceError)])
def test_a_folder_is_looked_at_again_under_its_lock(tmp_path: Path, mode: Mode, error: type[GandlfSynthError]) -> None:
    folder = ModelFolder(tmp_path)
    if mode != "new":
        folder.checkpoints.mkdir()
        folder.last.write_text("old")
        os.utime(folder.last, (1, 1))
    seen = folder.state()
    folder.check(mode)
    folder.check_unchanged(mode, None, seen)

    folder.checkpoints.mkdir(exist_ok=True)
    folder.last.write_text("of another run")

    with folder.locked(), pytest.raises(error):
        folder.check_unchanged(mode, None, seen)


def test_a_folder_that_somebody_writes_into_is_left_alone(
    cli: Cli, pictures: Path, pictures_model: Path, tmp_path: Path
) -> None:
    code, out, _ = cli("generate", "-m-dir", pictures_model, "-n", 1)
    assert code == 0
    folders = {
        Path(out.strip()): ("generate", "-m-dir", pictures_model, "-n", 1, "--resume"),
        tmp_path / "project": ("init", pictures, "-o", tmp_path / "project"),
        tmp_path / "report": ("evaluate", "-r", pictures, "-s", pictures, "-o", tmp_path / "report"),
        tmp_path / "demo": ("demo", "-o", tmp_path / "demo", "--data-dir", pictures),
    }
    for folder, command in folders.items():
        with only_writer(folder, "folder"):
            before = sorted(folder.iterdir())

            code, _, err = cli(*command)

            assert code == 7, err
            assert f"{folder}: is in use by another run" in err
            assert sorted(folder.iterdir()) == before


def test_what_stops_init_and_evaluate_leaves_nothing_behind(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    broken = next(pictures.rglob("*.png"))
    content = broken.read_bytes()
    broken.write_bytes(b"no picture")
    project, report = tmp_path / "project", tmp_path / "report"

    assert cli("init", pictures, "-o", project)[0] == 3
    assert cli("evaluate", "-r", tmp_path / "none", "-s", pictures, "-o", report)[0] == 3

    assert not project.exists()
    assert not report.exists()
    broken.write_bytes(content)
    assert cli("init", pictures, "-o", project)[0] == 0
