"""Which of a launcher's processes this one is, and how many cores it may use: a job is not given the whole machine."""

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the cores that this process may use, at least 1.

    The smaller of its CPU affinity and its cgroup's quota, as set by SLURM, containers and ``taskset``, divided by the
    processes that a launcher started on this machine unless each was bound to cores of its own.
    """
    bound = _bound_cores()
    quota = cgroup_quota(_CGROUPS, _MEMBERSHIP)
    cores = bound if quota is None else min(bound, quota)
    return max(1, int(cores / (1 if _has_own_cores(bound) else processes_here())))


def processes_here() -> int:
    """Return how many processes the launcher started on this machine; 1 without a launcher."""
    return int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("SLURM_NTASKS_PER_NODE") or 1)


def is_first_process() -> bool:
    """Say whether this process is the one of a distributed run that speaks, checks and writes the model folder."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


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
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    group = root / own
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
    given = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return "LOCAL_WORLD_SIZE" not in os.environ and given.isdigit() and bound < int(given)
