"""Two machines of two processes each, of which one process is killed: torchrun starts all again, or fewer go on."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from tests.factories import Cli
from tests.processes import (
    TORCHRUN,
    Process,
    finish,
    free_port,
    run,
    same_state,
    start,
    torchrun,
    wait_for_a_new,
    write_job,
)

from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.training.resume import trained_epochs

EPOCHS = 12


def agents(port: int) -> list[tuple[str, ...]]:
    """Launchers of two processes each that meet on the loopback, and start all of them again where one ends."""
    shared = ("--nnodes", "2", "--nproc-per-node", "2", "--max-restarts", "2", "--monitor-interval", "0.2")
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", "127.0.0.1")
    return [(*TORCHRUN, *shared, *meeting, "-m", "gandlf_synth") for _ in range(2)]


def train_on_two_nodes(*words: object) -> list[Process]:
    # A new place to meet for processes that are started again: those of one machine are not counted as such by torch.
    variables = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return [start("train", *words, launcher=agent, variables=variables) for agent in agents(free_port())]


def workers(agent: Process) -> list[int]:
    """Return the processes that a launcher has started."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    return [int(child) for child in children]


@pytest.mark.slow
def test_a_killed_process_of_four_is_started_again_or_two_go_on_with_the_same_batches(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words, store = write_job(cli, pictures, tmp_path, epochs=EPOCHS), tmp_path / "store"
    assert cli("prepare", *words, "-o", store, "--dtype", "float32")[0] == 0
    shared = (*words[:2], "-dt", store, "--set", "batch_size=1")
    whole, killed, fewer = (tmp_path / name for name in ("whole", "killed", "fewer"))
    for agent in train_on_two_nodes(*shared, "-m-dir", whole):
        finish(agent)

    both = train_on_two_nodes(*shared, "-m-dir", killed)
    wait_for_a_new(ModelFolder(killed).last, both[0])
    shutil.copytree(killed, fewer)
    os.kill(workers(both[1])[1], signal.SIGKILL)
    for agent in both:
        finish(agent)
    begun = trained_epochs(read_checkpoint(ModelFolder(fewer).last))
    run("train", *shared, "--resume", "-m-dir", fewer, launcher=torchrun(2))

    assert 0 < begun < EPOCHS
    assert same_state(ModelFolder(whole).last, ModelFolder(killed).last)
    said = (fewer / "training_manager.log").read_text()
    assert "4 images in a step of all processes together, as before: 2 in each of 2" in said
    expected, weights = (read_checkpoint(ModelFolder(each).last)["state_dict"] for each in (whole, fewer))
    for name, value in weights.items():
        assert torch.allclose(value, expected[name], rtol=1e-3, atol=1e-5), name
