"""Real processes: killed and resumed, several at once, two on one folder."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gandlf_synth import registry
from gandlf_synth.models.checkpoint import read_checkpoint

started: list[subprocess.Popen[str]] = []
PROGRAM = (sys.executable, "-m", "gandlf_synth")


def every_family(*quick: str) -> list[object]:
    """Every family; those that are not in ``quick`` are slow."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in registry.names("models")]


def start(*words: object, launcher: tuple[str, ...] = PROGRAM) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launcher, *(str(word) for word in words)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def torchrun(processes: int) -> tuple[str, ...]:
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    return (*launcher, "-m", "gandlf_synth")


def nodes(port: int, count: int = 2) -> list[tuple[str, ...]]:
    """Launchers of one process each, that meet on the loopback as ``count`` machines would."""
    shared = ("--nnodes", str(count), "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port))
    run = (sys.executable, "-m", "torch.distributed.run", *shared)
    return [(*run, "--node-rank", str(rank), "-m", "gandlf_synth") for rank in range(count)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def job(cli, pictures: Path, folder: Path, *, family: str = "ddpm", epochs: int = 30) -> tuple[object, ...]:
    csv = folder / "data.csv"
    assert cli("construct-csv", "-i", pictures, "-ch", ".png", "-l", "custom", "-o", csv)[0] == 0
    section = {**registry.load("models", family).tiny, "model_name": family, "save_eval_images_every_n_epochs": -1}
    document = {"model_config": {**section, "tensor_shape": [8, 8]}, "num_epochs": epochs, "batch_size": 4}
    document["compute"] = {"accelerator": "cpu", "precision": 32}
    config = folder / "config.yaml"
    config.write_text(json.dumps(document))
    return ("-c", config, "-dt", csv)


def same_state(one: Path, other: Path) -> bool:
    first, second = (read_checkpoint(path) for path in (one, other))
    keys = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers")
    return all(_equal(first.get(key), second.get(key)) for key in keys)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(_equal(*pair) for pair in zip(one, other, strict=True))
    return one == other


def wait(process: subprocess.Popen[str], seconds: float) -> bool:
    """Let the process run for a while; say whether it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for_a_new(file: Path, process: subprocess.Popen[str]) -> None:
    known = file.stat().st_mtime_ns if file.exists() else 0
    while not file.exists() or file.stat().st_mtime_ns == known:
        if wait(process, 0.02):
            return


def train_through_kills(words: tuple[object, ...], model: Path, kills: int, rng: random.Random) -> None:
    """Train; kill the process at random moments after its first checkpoint, and resume with the same command."""
    last = model / "checkpoints" / "last.ckpt"
    begun: list[str] = []
    while True:
        process = start("train", *words, "-m-dir", model, *begun)
        if kills == 0:
            finish(process)
            return
        wait_for_a_new(last, process)
        wait(process, rng.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=60)
        begun, kills = ["--resume"], kills - 1


@pytest.mark.parametrize("family", registry.names("models"))
def test_killed_and_resumed_runs_end_with_the_weights_of_one_that_was_not(cli, pictures, tmp_path, family) -> None:
    words = job(cli, pictures, tmp_path, family=family)
    whole = start("train", *words, "-m-dir", tmp_path / "whole")

    train_through_kills(words, tmp_path / "killed", 3, random.Random(0))
    finish(whole)

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))


@pytest.mark.slow
def test_twenty_kills_in_a_long_run(cli, pictures, tmp_path) -> None:
    words = job(cli, pictures, tmp_path, epochs=400)
    finish(start("train", *words, "-m-dir", tmp_path / "whole"))

    train_through_kills(words, tmp_path / "killed", 20, random.Random(1))

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_the_command_to_go_on(cli, pictures, tmp_path, number) -> None:
    words = job(cli, pictures, tmp_path, epochs=100_000)
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    process = start("train", *words, "-m-dir", tmp_path / "model")
    wait_for_a_new(last, process)

    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "--resume" in err
    assert read_checkpoint(last)["global_step"] > 0


def test_a_second_run_on_a_folder_is_refused_until_the_first_is_gone(cli, pictures, tmp_path) -> None:
    words = job(cli, pictures, tmp_path, epochs=100_000)
    model = tmp_path / "model"
    first = start("train", *words, "-m-dir", model)
    wait_for_a_new(model / "checkpoints" / "last.ckpt", first)

    second = start("train", *words, "-m-dir", model, "--resume")
    _, err = second.communicate(timeout=60)
    first.kill()
    first.communicate(timeout=60)

    assert second.returncode == 7
    assert "in use by another run" in err
    finish(start("train", *words, "-m-dir", model, "--resume", "--minutes", "0.01"))


@pytest.mark.parametrize("family", every_family("ddpm", "dcgan"))
def test_two_processes_train_one_model_and_share_the_images(cli, pictures, tmp_path, family) -> None:
    words = job(cli, pictures, tmp_path, family=family, epochs=2)
    model = tmp_path / "model"

    finish(start("train", *words, "-m-dir", model, "-vr", "0.25", launcher=torchrun(2)))
    shared = finish(start("generate", "-m-dir", model, "-n", "7", "--batch-size", "2", launcher=torchrun(2)))
    alone = finish(start("generate", "-m-dir", model, "-n", "7", "--batch-size", "2"))

    assert shared.count("\n") == 1
    folders = [Path(out.split()[-1]) for out in (shared, alone)]
    files = [{path.name: path.read_bytes() for path in folder.glob("generated_image*")} for folder in folders]
    assert len(files[0]) == 14
    assert files[0] == files[1]
    rows = (folders[0] / "inference_logs" / "images.csv").read_text().splitlines()
    assert len(rows) == 8


def test_two_machines_train_the_model_that_one_with_two_processes_trains(cli, pictures, tmp_path) -> None:
    words = job(cli, pictures, tmp_path, epochs=2)

    here = start("train", *words, "-m-dir", tmp_path / "one", launcher=torchrun(2))
    finish(here)
    there = [start("train", *words, "-m-dir", tmp_path / "two", launcher=each) for each in nodes(free_port())]
    for process in there:
        finish(process)

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("one", "two")))
