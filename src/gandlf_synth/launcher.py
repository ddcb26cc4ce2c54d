"""Which of a launcher's processes this one is, and the machine on which it runs.

torchrun and SLURM tell a process by environment variables how many processes there are, and which one it is. Every
room that needs this asks here. A job is seldom given the whole machine, so that cores are counted here too.
"""

import os
import platform
import resource
from pathlib import Path

from typing_extensions import TypedDict

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


class Hardware(TypedDict):
    """What the numbers of a run depend on; no host name and no user."""

    machine: str
    system: str
    cores: int | None
    threads: int
    accelerators: list[str]


def process_count() -> int:
    """Return how many processes the launcher started on all machines; 1 without a launcher."""
    return _number("WORLD_SIZE", "SLURM_NTASKS") or 1


def processes_here() -> int:
    """Return how many processes the launcher started on this machine; 1 without a launcher.

    Where a launcher says only how many there are in all, they are shared out evenly among the machines that it names.
    """
    machines = _number("GROUP_WORLD_SIZE", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1
    return _number("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE") or max(1, process_count() // machines)


def node_count() -> int:
    """Return on how many machines the launcher started processes; 1 without a launcher."""
    return max(1, process_count() // processes_here())


def is_first_process() -> bool:
    """Say whether this process is the one of a distributed run that speaks, checks and writes the model folder."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


def _number(*names: str) -> int | None:
    """Return the first of the environment variables that is set and not empty."""
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), None)


def hardware() -> Hardware:
    """Return the processor kind, the cores and the accelerators of this machine, for the record."""
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerators": devices,
    }


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, MiB."""
    per_mb = 2**20 if platform.system() == "Darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb, 1)


def peak_device_memory_mb() -> float:
    """Return the largest memory that this process took on its GPU so far, MiB; without a GPU, of the process."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 2**20)
    return peak_memory_mb()


def usable_cores() -> int:
    """Return the cores that this process may use, at least 1.

    The smaller of its CPU affinity and its cgroup's quota, as set by SLURM, containers and ``taskset``, divided by the
    processes that a launcher started on this machine unless each was bound to cores of its own.
    """
    bound = _bound_cores()
    quota = cgroup_quota(_CGROUPS, _MEMBERSHIP)
    cores = bound if quota is None else min(bound, quota)
    return max(1, int(cores / (1 if _has_own_cores(bound) else processes_here())))


def cgroup_quota(root: Path, membership: Path) -> float | None:
    """Return the cores' worth of time that the control groups allow, or None where they set no limit.

    Args:
        root: where version 2 of the control groups is mounted.
        membership: the file that names the group of this process, ``/proc/self/cgroup``.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    name = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    group = root / name
    limits = [_limit(folder / "cpu.max") for folder in (group, *group.parents) if folder.is_relative_to(root)]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no such file in the outermost group; "max" is no limit
        return None


def _bound_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _has_own_cores(bound: int) -> bool:
    """``srun`` may give each process its share of the machine; torchrun's all inherit the same cores."""
    cores = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return "LOCAL_WORLD_SIZE" not in os.environ and cores.isdigit() and bound < int(cores)
