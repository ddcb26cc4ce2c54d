"""Which of a launcher's processes this one is, and the machine on which it runs.

torchrun and SLURM tell a process by environment variables how many processes there are, and which one it is. Every
room that needs this asks here. A job is seldom given the whole machine, so that cores are counted here too.
"""

import os
import platform
import resource
from pathlib import Path

from typing_extensions import TypedDict

from gandlf_synth.errors import ConfigError, Problem

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_SPINS = "10000"
"""About 50 microseconds: longer than threads that all have a core wait for one another."""


class Hardware(TypedDict):
    """What the numbers of a run depend on; no host name and no user."""

    machine: str
    system: str
    cores: int | None
    threads: int
    accelerators: list[str]


def yield_waiting_cores() -> None:
    """Let threads of OpenMP that wait for one another give up their core after microseconds, unless the user chose.

    GNU's OpenMP, which torch has on Linux, has them spin for milliseconds, hundreds of times a step. Where anything
    else runs on the cores, a thread spins while the one it waits for has no core. To be called before torch is
    imported.
    """
    if not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def process_count() -> int:
    """Return how many processes the launcher started on all machines; 1 without a launcher."""
    tasks = 1 if _at_a_prompt_of_slurm() else _number("SLURM_NTASKS")
    return _number("WORLD_SIZE") or tasks or 1


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


def check_launch() -> None:
    """Refuse variables of a launcher that promise processes which it did not start; each would wait for the others.

    Raises:
        ConfigError: which variable is set, and what to do.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or "LOCAL_RANK" in os.environ:
        return
    world, tasks = _number("WORLD_SIZE") or 1, _number("SLURM_NTASKS") or 1
    if world > 1:
        what = f"promises {world} processes, but torchrun did not start this one"
        fix = "start with python -m torch.distributed.run … -m gandlf_synth, or unset WORLD_SIZE"
        raise ConfigError(Problem(f"WORLD_SIZE={world} in the environment", what, fix=fix))
    if tasks == 1:
        return
    where = f"SLURM_NTASKS={tasks} in the environment"
    if _number("SLURM_STEP_NUM_TASKS") != tasks:
        if _at_a_prompt_of_slurm():
            return
        what = f"promises {tasks} processes, but srun did not start this one, so that it would wait for the others"
        fix = "write srun before the command; for a single process ask for --ntasks-per-node=1, or unset SLURM_NTASKS"
        raise ConfigError(Problem(where, what, fix=fix))
    if _at_a_prompt_of_slurm():
        name = os.environ["SLURM_JOB_NAME"]
        what = f"is set by srun, but in a job called {name} the processes do not find each other"
        raise ConfigError(Problem(where, what, fix="write SLURM_JOB_NAME=train before srun"))
    if not _number("SLURM_NTASKS_PER_NODE"):
        what = "is set by srun without SLURM_NTASKS_PER_NODE, so that devices cannot be shared out"
        raise ConfigError(Problem(where, what, fix="give srun --ntasks-per-node"))


def launcher_began() -> float | None:
    """Return when torchrun was started, which starts its processes again where one of them ends; None without it.

    In seconds since 1970, as files tell when they were written.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    import psutil

    try:
        return float(psutil.Process(os.getppid()).create_time())
    except psutil.Error:
        return None


def is_lightnings_own() -> bool:
    """Say whether Lightning started this process, after the one that it belongs to had planned the run."""
    launched = "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ
    return "LOCAL_RANK" in os.environ and not launched


def launcher_counts() -> bool:
    """Say whether a launcher decides how many processes there are; Lightning then starts none."""
    slurm = "SLURM_NTASKS" in os.environ and not _at_a_prompt_of_slurm()
    return slurm or "TORCHELASTIC_RUN_ID" in os.environ


def _at_a_prompt_of_slurm() -> bool:
    """Lightning leaves Slurm out of account in jobs with these names, which are those of interactive ones."""
    return os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")


def _number(*names: str) -> int | None:
    """Return the first of the environment variables that is set and not empty.

    Raises:
        ConfigError: it is no number.
    """
    name = next((name for name in names if os.environ.get(name)), None)
    if name is None:
        return None
    if not os.environ[name].isdecimal():
        where = f"{name}={os.environ[name]} in the environment"
        raise ConfigError(Problem(where, "is not a number", fix="unset it, or start with srun or torchrun"))
    return int(os.environ[name])


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
