"""From ``compute:`` to a Lightning strategy."""

from importlib.util import find_spec
from typing import Any

from gandlf_synth.config import ComputeConfig
from gandlf_synth.errors import MissingExtraError, Problem, ResourceError


def check_compute(compute: ComputeConfig) -> None:
    """Refuse devices that are not there, before anything is written.

    Raises:
        ResourceError: no such device, or fewer than asked for.
        MissingExtraError: deepspeed is asked for and not installed.
    """
    import torch

    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    counts["gpu"] = max(counts.values())
    if compute.accelerator in counts:
        where, found = f"compute.accelerator: {compute.accelerator}", counts[compute.accelerator]
        wanted = 1 if compute.num_devices == "auto" else compute.num_devices
        if found < wanted:
            what = f"{wanted} asked for, {found} found on this machine"
            raise ResourceError(Problem(where, what, fix="use accelerator: auto, or fewer num_devices"))
    strategy_for(compute)


def strategy_for(compute: ComputeConfig, *, several_optimizers: bool = False) -> Any:
    """Return what Lightning's ``Trainer(strategy=…)`` takes.

    Args:
        compute: the configuration.
        several_optimizers: whether networks take turns, so that each backward pass leaves weights out.

    Raises:
        MissingExtraError: deepspeed is asked for and not installed.
        ResourceError: deepspeed is asked for and there is no CUDA device.
    """
    if compute.strategy == "ddp":
        from lightning.pytorch.strategies import DDPStrategy

        return DDPStrategy(**{"find_unused_parameters": several_optimizers} | compute.strategy_config)
    if compute.strategy == "deepspeed":
        return _deepspeed(compute.strategy_config)
    if several_optimizers and compute.num_devices not in ("auto", 1):
        return "ddp_find_unused_parameters_true"
    return "auto"


def _deepspeed(options: dict[str, Any]) -> Any:
    import torch

    if not find_spec("deepspeed"):
        raise MissingExtraError("compute.strategy: deepspeed", "deepspeed", "deepspeed")
    if not torch.cuda.is_available():
        raise ResourceError(Problem("compute.strategy: deepspeed", "needs a CUDA device", fix="use strategy: ddp"))
    from lightning.pytorch.strategies import DeepSpeedStrategy

    return DeepSpeedStrategy(**options)
