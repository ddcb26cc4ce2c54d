"""The program as real processes: started, waited for, killed and resumed; and what two runs left behind, compared."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from shutil import which

import torch

from gandlf_synth import registry
from gandlf_synth.models.checkpoint import read_checkpoint
from tests.factories import Cli, add_sources, write_tiny_config
from tests.source import ROOT

Process = subprocess.Popen[str]

PROGRAM = (sys.executable, "-m", "gandlf_synth")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
started: list[Process] = []
"""What a test has started; the fixture in ``conftest.py`` ends what is still running."""


def families_in_turn(count: int = 2) -> list[str]:
    """Return the families that the tests of this commit kill; commits take turns, and the others are slow.

    The turn is a number of the commit, so that a commit is tested the same everywhere; outside a repository, of the day.
    """
    words = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT).stdout if which("git") else ""
    turn = int(commit[:8], 16) if commit else date.today().toordinal()
    families = registry.names("models")
    return [families[(turn + place) % len(families)] for place in range(count)]


def start(*words: object, launcher: tuple[str, ...] = PROGRAM, variables: Mapping[str, str] | None = None) -> Process:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})}
    command = [*launcher, *(str(word) for word in words)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process


def finish(process: Process) -> str:
    """Wait for a process that is to succeed; return what it wrote."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def run(*words: object, launcher: tuple[str, ...] = PROGRAM) -> tuple[str, str]:
    """Run the program, which is to succeed; return what it wrote to the two outputs."""
    process = start(*words, launcher=launcher)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def torchrun(processes: int) -> tuple[str, ...]:
    return (*TORCHRUN, "--standalone", f"--nproc-per-node={processes}", "-m", "gandlf_synth")


def srun(port: int, count: int = 2) -> list[dict[str, str]]:
    """The variables by which srun tells each of ``count`` processes who it is; none of them ends the others."""
    number = str(count)
    shared = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": number, "SLURM_STEP_NUM_TASKS": number}
    shared |= {"SLURM_NTASKS_PER_NODE": number, "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [{**shared, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(count)]


def nodes(port: int, count: int = 2) -> list[tuple[str, ...]]:
    """Launchers of one process each, that meet on the loopback as ``count`` machines would."""
    shared = ("--nnodes", str(count), "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port))
    return [(*TORCHRUN, *shared, "--node-rank", str(rank), "-m", "gandlf_synth") for rank in range(count)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(process: Process, seconds: float) -> bool:
    """Let the process run for a while; say whether it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def wait_for_a_new(file: Path, process: Process) -> None:
    known = file.stat().st_mtime_ns if file.exists() else 0
    while not file.exists() or file.stat().st_mtime_ns == known:
        if wait(process, 0.02):
            return


def write_job(cli: Cli, pictures: Path, folder: Path, *, family: str = "ddpm", epochs: int = 30) -> tuple[object, ...]:
    """Write the table and the configuration of a small run; return the words that name them to ``train``."""
    csv = folder / "data.csv"
    assert cli("construct-csv", "-i", pictures, "-ch", ".png", "-l", "custom", "-o", csv)[0] == 0
    if registry.load("models", family).config_class().required_kind:
        add_sources(csv)
    return ("-c", write_tiny_config(folder / "config.yaml", family, [8, 8], epochs=epochs), "-dt", csv)


def train_through_kills(words: tuple[object, ...], model: Path, kills: int, rng: random.Random) -> None:
    """Train; kill the process at random moments after its first checkpoint, and resume with the same command."""
    last = model / "checkpoints" / "last.ckpt"
    resume: list[str] = []
    while True:
        process = start("train", *words, "-m-dir", model, *resume)
        if kills == 0:
            finish(process)
            return
        wait_for_a_new(last, process)
        wait(process, rng.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=60)
        resume, kills = ["--resume"], kills - 1


def same_state(one: Path, other: Path) -> bool:
    """Say whether two checkpoints hold the same weights and the same states of optimizers and schedulers."""
    first, second = (read_checkpoint(path) for path in (one, other))
    keys = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers")
    return all(_equal(first.get(key), second.get(key)) for key in keys)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_equal(*pair) for pair in zip(one, other, strict=True))
    return one == other
