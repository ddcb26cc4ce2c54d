"""Real processes: killed and resumed, several at once, two on one folder."""

import random
import signal
from pathlib import Path

import psutil
import pytest
from tests.factories import Cli
from tests.processes import (
    families_in_turn,
    finish,
    free_port,
    nodes,
    same_state,
    srun,
    start,
    torchrun,
    train_through_kills,
    wait_for_a_new,
    write_job,
)

from gandlf_synth import api, registry
from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.training.store_preparation import PreparationRequest


def every_family(*quick: str) -> list[object]:
    """Every family; those that are not in ``quick`` are slow."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in registry.names("models")]


@pytest.mark.parametrize("family", every_family(*families_in_turn()))
def test_killed_and_resumed_runs_end_with_the_weights_of_one_that_was_not(
    cli: Cli, pictures: Path, tmp_path: Path, family: str
) -> None:
    words = write_job(cli, pictures, tmp_path, family=family)
    whole = start("train", *words, "-m-dir", tmp_path / "whole")

    train_through_kills(words, tmp_path / "killed", 2, random.Random(0))
    finish(whole)

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))


@pytest.mark.slow
def test_killed_runs_from_a_store_whose_shards_are_copied_end_with_the_weights_of_one_that_was_not(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words, store = write_job(cli, pictures, tmp_path), tmp_path / "store"
    request = PreparationRequest(tmp_path / "config.yaml", tmp_path / "data.csv", store, shard_bytes=8 * 8 * 2 * 3)
    assert api.prepare(request).shards > 3
    copied = ("--set", f"data_store.local={tmp_path / 'local'}", "--set", "data_store.shuffle_window=2")
    words = (*words[:2], "-dt", store, *copied)
    whole = start("train", *words, "-m-dir", tmp_path / "whole")

    train_through_kills(words, tmp_path / "killed", 3, random.Random(2))
    finish(whole)

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))


@pytest.mark.slow
def test_twenty_kills_in_a_long_run(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=400)
    finish(start("train", *words, "-m-dir", tmp_path / "whole"))

    train_through_kills(words, tmp_path / "killed", 20, random.Random(1))

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_leaves_a_checkpoint_and_the_command_to_go_on(
    cli: Cli, pictures: Path, tmp_path: Path, number: int
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    process = start("train", *words, "-m-dir", tmp_path / "model")
    wait_for_a_new(last, process)

    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "--resume" in err
    assert read_checkpoint(last)["global_step"] > 0


@pytest.mark.parametrize(
    "number",
    [signal.SIGUSR1, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGINT))],
)
def test_a_signal_to_all_processes_of_a_job_lets_loader_workers_finish_the_batch(
    cli: Cli, pictures: Path, tmp_path: Path, number: int
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    process = start("train", *words, "--set", "dataloader_config.train.num_workers=1", "-m-dir", tmp_path / "model")
    wait_for_a_new(last, process)

    workers = psutil.Process(process.pid).children(recursive=True)
    for worker in workers:
        worker.send_signal(number)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)

    assert workers
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert read_checkpoint(last)["global_step"] > 0


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes_stops_both_with_a_checkpoint(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    two = ("--set", "compute.num_devices=2")
    both = [start("train", *words, *two, "-m-dir", tmp_path / "model", variables=own) for own in srun(free_port())]
    wait_for_a_new(last, both[0])

    both[1].send_signal(signal.SIGTERM)
    errors = [process.communicate(timeout=60)[1] for process in both]

    assert [process.returncode for process in both] == [128 + signal.SIGTERM] * 2, errors
    assert read_checkpoint(last)["global_step"] > 0


@pytest.mark.slow
def test_a_second_run_on_a_folder_is_refused_until_the_first_is_gone(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    model = tmp_path / "model"
    first = start("train", *words, "-m-dir", model)
    wait_for_a_new(model / "checkpoints" / "last.ckpt", first)

    second = start("train", *words, "-m-dir", model, "--resume")
    _, err = second.communicate(timeout=60)
    first.kill()
    first.communicate(timeout=60)

    assert second.returncode == 7, err
    assert "in use by another run" in err
    finish(start("train", *words, "-m-dir", model, "--resume", "--minutes", "0.01"))


@pytest.mark.parametrize("family", every_family("ddpm"))
def test_two_processes_train_one_model_and_share_the_images(
    cli: Cli, pictures: Path, tmp_path: Path, family: str
) -> None:
    words = write_job(cli, pictures, tmp_path, family=family, epochs=2)
    model = tmp_path / "model"

    from_rows = registry.load("models", family).config_class().required_kind
    wanted = ("-dt", words[-1], "--only", "1,2,3,4,5,6,7") if from_rows else ("-n", "7")

    finish(start("train", *words, "-m-dir", model, "-vr", "0.25", launcher=torchrun(2)))
    shared = finish(start("generate", "-m-dir", model, *wanted, "--batch-size", "2", launcher=torchrun(2)))
    alone = finish(start("generate", "-m-dir", model, *wanted, "--batch-size", "2"))

    assert shared.count("\n") == 1
    folders = [Path(out.split()[-1]) for out in (shared, alone)]
    images = "*_synthetic.*" if from_rows else "generated_image*"
    files = [{path.name: path.read_bytes() for path in folder.rglob(images)} for folder in folders]
    assert len(files[0]) == 14
    assert files[0] == files[1]
    rows = (folders[0] / "inference_logs" / "images.csv").read_text().splitlines()
    assert len(rows) == 8


@pytest.mark.slow
def test_two_machines_train_the_model_that_one_with_two_processes_trains(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=2)

    here = start("train", *words, "-m-dir", tmp_path / "one", launcher=torchrun(2))
    finish(here)
    there = [start("train", *words, "-m-dir", tmp_path / "two", launcher=each) for each in nodes(free_port())]
    for process in there:
        finish(process)

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("one", "two")))
