"""Slurm on this machine alone: one controller and one node on the loopback, with keys of its own."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest

from tests.processes import free_port

_PROGRAMS = ("sbatch", "srun", "scontrol", "squeue", "scancel", "slurmctld", "slurmd", "munged")
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
PlugStackConfig=/dev/null
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def needs_slurm() -> None:
    """Skip where Debian's slurm-wlm is not installed, or nobody may start it."""
    missing = [program for program in _PROGRAMS if which(program) is None]
    if "NEEDS_SLURM" in os.environ:
        assert not missing, missing
    if missing or os.geteuid() != 0:
        pytest.skip(f"Slurm cannot be started here: {missing or 'not root'}")


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Start the daemons; yield the environment in which Slurm's programs find them."""
    needs_slurm()
    with TemporaryDirectory(prefix="slurm") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("state", "spool"):
            (folder / part).mkdir()
        ports = (free_port(), free_port())
        text = _CONFIGURATION.format(host=socket.gethostname().partition(".")[0], ports=ports, folder=folder)
        (folder / "slurm.conf").write_text(text)
        (folder / "key").write_bytes(secrets.token_bytes(128))
        (folder / "key").chmod(0o600)
        environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        munge = [f"--{option}={folder}/{file}" for option, file in _MUNGE.items()]
        try:
            for words in (["munged", "--force", *munge], ["slurmctld", "-i", "-c"], ["slurmd"]):
                begun = subprocess.run(words, env=environment, check=False, capture_output=True, text=True, timeout=60)
                if begun.returncode != 0:
                    pytest.skip(f"{words[0]} does not start here: {begun.stderr.strip()}")
            _wait_for_the_node(environment)
            yield environment
        finally:
            for daemon in ("slurmd", "slurmctld", "munged"):
                file = folder / f"{daemon}.pid"
                if file.is_file():
                    os.kill(int(file.read_text()), signal.SIGKILL)


def _wait_for_the_node(environment: dict[str, str]) -> None:
    for _ in range(60):
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environment, check=False, capture_output=True, text=True)
        if told.stdout.strip() == "idle":
            return
        time.sleep(1)
    pytest.skip(f"the node of Slurm does not come up here: {told.stdout} {told.stderr}")


_MUNGE = {
    "socket": "munge.socket", "key-file": "key", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "seed",
}  # fmt: skip
