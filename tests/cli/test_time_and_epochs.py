"""A run that is given time and epochs says which of the two will end it."""

import json
from pathlib import Path

import pytest
from tests.factories import Cli, TinyConfig, write_pictures_table


@pytest.mark.parametrize(("epochs", "noted"), [(2, True), (1_000_000, False)])
def test_few_epochs_leave_most_of_the_time_unused_and_the_user_is_told(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path, epochs: int, noted: bool
) -> None:
    config = tiny_config([16, 16], "")
    text = config.read_text().replace("num_epochs: 2", f"num_epochs: {epochs}")
    config.write_text(text)
    table = write_pictures_table(tmp_path, 24)
    model = tmp_path / "model"

    words = ("--set", "model_config.architecture=XS", "--minutes", 60 if noted else 0.02)
    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", model, *words)

    assert code == 0, err
    log = (model / "training_manager.log").read_text()
    assert (f"num_epochs: {epochs} ends the run after about" in log) is noted
    if noted:
        expected = json.loads((model / "run.json").read_text())["expected"]
        assert expected["steps"] == json.loads((model / "run.json").read_text())["steps"]
