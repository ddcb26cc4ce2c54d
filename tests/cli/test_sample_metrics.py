"""Samples are compared with validation images during training; that chooses the checkpoint and can end the run."""

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.factories import Cli, TinyConfig, write_pictures_table
from tests.processes import run, torchrun

Train = Callable[..., tuple[int, str, Path]]
SECTION = "sample_metrics_config: {{every_n_epochs: {every}, n_images: 8, extractor: random-conv, num_inference_steps: 2{more}}}\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_pictures_table(tmp_path, 24, ("left", "right"))


@pytest.fixture
def train(cli: Cli, tiny_config: TinyConfig, table: Path, tmp_path: Path) -> Train:
    def call(section: str, *words: str, epochs: int = 3, folder: str = "model") -> tuple[int, str, Path]:
        config = tiny_config([16, 16], section)
        config.write_text(config.read_text().replace("num_epochs: 2", f"num_epochs: {epochs}"))
        model = tmp_path / folder
        code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", model, *words)
        return code, err, model

    return call


def logged(model: Path, name: str) -> dict[int, float]:
    with (model / "training_logs" / "run_0" / "metrics.csv").open() as file:
        return {int(row["epoch"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}


def test_every_second_epoch_and_the_last_are_measured_and_the_best_is_kept(train: Train) -> None:
    code, err, model = train(SECTION.format(every=2, more=""), "-vr", "0.4", epochs=5)

    assert code == 0, err
    kid = logged(model, "sample_kid")
    assert sorted(kid) == [1, 3, 4]
    assert all(0 <= value <= 1 for value in logged(model, "sample_coverage").values())
    log = (model / "training_manager.log").read_text()
    assert "random-conv (weights seeded 2024" in log
    assert "as near as real images get" in log
    assert "do not publish" in log
    assert [f"epoch {epoch}: sample_kid" in log for epoch in range(1, 6)] == [False, True, False, True, True]

    import torch

    best = torch.load(model / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == min(kid, key=lambda epoch: kid[epoch])
    assert "sample_kid" in json.loads((model / "run.json").read_text())["metrics"]


def test_the_same_run_gives_the_same_values_and_a_resumed_one_goes_on(train: Train) -> None:
    section = SECTION.format(every=2, more="")
    words = ("-vr", "0.4", "--set", "model_config.lr_cooldown_fraction=0")  # a longer run begins as a shorter one does
    _, _, whole = train(section, *words, epochs=4, folder="whole")
    code, err, first = train(section, *words, epochs=2, folder="first")
    assert code == 0, err
    code, err, _ = train(section, *words, "--resume", epochs=4, folder="first")
    assert code == 0, err

    again = json.loads((first / "run.json").read_text())["metrics"]
    assert again == pytest.approx(json.loads((whole / "run.json").read_text())["metrics"], abs=1e-5)


def test_training_stops_when_samples_get_no_better_and_only_measurements_count(train: Train) -> None:
    stopping = "early_stopping_config: {monitor_value: sample_kid, monitor_mode: max, patience: 1}\n"

    code, err, model = train(SECTION.format(every=2, more="") + stopping, "-vr", "0.4", epochs=40)

    assert code == 0, err
    measured = logged(model, "sample_kid")
    epochs = json.loads((model / "run.json").read_text())["epochs"]
    values = list(measured.values())
    assert epochs == 2 * len(values) < 40
    assert values[-1] <= max(values[:-1])
    assert all(later > earlier for earlier, later in pairwise(values[:-1]))


def test_a_run_that_ends_by_the_clock_is_measured_at_its_end(train: Train) -> None:
    code, err, model = train(SECTION.format(every=10_000, more=""), "-vr", "0.4", "--minutes", "0.01", epochs=100_000)

    assert code == 0, err
    assert list(logged(model, "sample_kid")) == [json.loads((model / "run.json").read_text())["epochs"] - 1]
    assert (model / "checkpoints" / "best.ckpt").is_file()


def test_the_loss_chooses_when_told_so(train: Train) -> None:
    code, err, model = train(SECTION.format(every=1, more=", choose_best: false"), "-vr", "0.4")

    assert code == 0, err
    loss = logged(model, "val_loss")

    import torch

    best = torch.load(model / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == min(loss, key=lambda epoch: loss[epoch])


@pytest.mark.parametrize(
    ("section", "words", "status", "message"),
    [
        (SECTION.format(every=1, more=""), (), 2, "has no validation images to compare with"),
        (SECTION.format(every=1, more=""), ("-vr", "0.1"), 3, "gives 2 val images, too few"),
        ("sample_metrics_config: {extractor: inception-v3}\n", ("-vr", "0.4"), 2, "has no weights of its own"),
        ("early_stopping_config: {monitor_value: sample_kid}\n", ("-vr", "0.4"), 2, "'sample_kid' will not be logged"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(
    train: Train, section: str, words: tuple[str, ...], status: int, message: str
) -> None:
    code, err, model = train(section, *words)

    assert code == status
    assert message in err
    assert not model.exists()


@pytest.mark.slow
def test_processes_share_the_samples_and_agree(tiny_config: TinyConfig, table: Path, tmp_path: Path) -> None:
    config = tiny_config([16, 16], SECTION.format(every=1, more=""))

    run("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "shared", "-vr", "0.4", launcher=torchrun(2))

    kid = logged(tmp_path / "shared", "sample_kid")
    assert sorted(kid) == [0, 1]
    log = (tmp_path / "shared" / "training_manager.log").read_text()
    assert log.count("; 8 images") == 2
    assert log.count("as near as real images get") == 1
    assert (tmp_path / "shared" / "checkpoints" / "best.ckpt").is_file()
