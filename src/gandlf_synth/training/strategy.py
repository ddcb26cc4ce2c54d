"""From ``compute:`` to a Lightning strategy."""

from importlib.util import find_spec
from typing import Any

from gandlf_synth.config import ComputeConfig
from gandlf_synth.errors import MissingExtraError, Problem, ResourceError


def strategy_for(compute: ComputeConfig) -> Any:
    """Return what Lightning's ``Trainer(strategy=…)`` takes.

    Raises:
        MissingExtraError: deepspeed is asked for and not installed.
        ResourceError: deepspeed is asked for and there is no CUDA device.
    """
    if compute.strategy == "ddp":
        from lightning.pytorch.strategies import DDPStrategy

        return DDPStrategy(**compute.strategy_config)
    if compute.strategy == "deepspeed":
        return _deepspeed(compute.strategy_config)
    return "auto"


def _deepspeed(options: dict[str, Any]) -> Any:
    import torch

    if not find_spec("deepspeed"):
        raise MissingExtraError("compute.strategy: deepspeed", "deepspeed", "deepspeed")
    if not torch.cuda.is_available():
        raise ResourceError(Problem("compute.strategy: deepspeed", "needs a CUDA device", fix="use strategy: ddp"))
    from lightning.pytorch.strategies import DeepSpeedStrategy

    return DeepSpeedStrategy(**options)
