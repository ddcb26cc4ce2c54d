"""The machine that a model is trained on."""

import os
import platform
import resource
from typing import Any

from gandlf_synth.launcher import processes_here


def hardware() -> dict[str, Any]:
    """Return what the numbers depend on: processor kind, cores, accelerators (no host name, no user)."""
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


def nodes() -> int:
    """Return on how many machines the launcher started processes; 1 without a launcher."""
    world = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1)
    return max(1, world // processes_here())
