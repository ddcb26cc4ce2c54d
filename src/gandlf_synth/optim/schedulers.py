"""Learning-rate schedulers by GaNDLF's names.

Lengths (``step_size``, ``T_0``, ``T_max``, ``warmup_steps``) count epochs, as in GaNDLF, which steps its schedulers
once an epoch; here the rate follows the same curve batch by batch. Rates are absolute, except where a factor of ``lr``
is said.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from gandlf_synth.optim import Horizon, SchedulerEntry
from gandlf_synth.optim.cyclic import exp_range, triangle, triangle_modified, triangular

if TYPE_CHECKING:
    from torch.optim import Optimizer

__all__ = [
    "cosine_annealing",
    "cosine_annealing_warm_restarts",
    "exp_range",
    "exponential",
    "reduce_on_plateau",
    "step",
    "triangle",
    "triangle_modified",
    "triangular",
    "warmup_cosine",
]

FINAL_SHARE = 0.01
"""The rate at which a run ends unless the YAML says another, as a share of ``lr``."""


def step(
    optimizer: "Optimizer", horizon: Horizon, /, *, step_size: PositiveFloat | None = None, gamma: PositiveFloat = 0.1
) -> SchedulerEntry:
    """Multiply the rate by ``gamma`` every ``step_size`` epochs; absent: a third of the run."""
    from torch.optim.lr_scheduler import StepLR

    length = horizon.steps(step_size if step_size is not None else horizon.num_epochs / 3)
    return {"scheduler": StepLR(optimizer, length, gamma), "interval": "step"}


def exponential(
    optimizer: "Optimizer", horizon: Horizon, /, *, gamma: Annotated[float, Field(gt=0, le=1)] | None = None
) -> SchedulerEntry:
    """Multiply the rate by ``gamma`` in the course of every epoch; absent: so that the run ends at 1 % of ``lr``."""
    from torch.optim.lr_scheduler import ExponentialLR

    per_run = gamma**horizon.num_epochs if gamma is not None else FINAL_SHARE
    return {"scheduler": ExponentialLR(optimizer, per_run ** (1 / horizon.num_steps)), "interval": "step"}


def reduce_on_plateau(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    mode: Literal["min", "max"] = "min",
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    patience: NonNegativeInt = 10,
    threshold: NonNegativeFloat = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: NonNegativeInt = 0,
    min_lr: NonNegativeFloat | None = None,
    monitor: str | None = None,
) -> SchedulerEntry:
    """Multiply the rate by ``factor`` after ``patience`` epochs without improvement.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        mode: whether smaller or larger is better.
        factor: what the rate is multiplied by.
        patience: epochs without improvement to allow.
        threshold: what counts as improvement.
        threshold_mode: whether ``threshold`` is a share of the best value or a difference.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the smallest rate; absent: 1 % of ``lr``.
        monitor: the logged value to watch; absent: the loss.
    """
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    floor = _floor(optimizer, "min_lr", min_lr)
    scheduler = ReduceLROnPlateau(optimizer, mode, factor, patience, threshold, threshold_mode, cooldown, floor)
    return {"scheduler": scheduler, "interval": "epoch", "monitor": monitor or horizon.monitor}


def cosine_annealing_warm_restarts(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    T_0: PositiveFloat = 5,  # noqa: N803
    T_mult: PositiveInt = 1,  # noqa: N803
    eta_min: NonNegativeFloat | None = None,
) -> SchedulerEntry:
    """Let the rate fall along half a cosine again and again (Loshchilov & Hutter 2017, arXiv 1608.03983, eq. 5).

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        T_0: epochs to the first restart.
        T_mult: factor by which each period is longer than the one before.
        eta_min: the smallest rate; absent: 1 % of ``lr``.
    """
    from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

    scheduler = CosineAnnealingWarmRestarts(
        optimizer, horizon.steps(T_0), T_mult, _floor(optimizer, "eta_min", eta_min)
    )
    return {"scheduler": scheduler, "interval": "step"}


def cosine_annealing(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    T_max: PositiveFloat = 50,  # noqa: N803
    eta_min: NonNegativeFloat | None = None,
) -> SchedulerEntry:
    """Let the rate fall along half a cosine for ``T_max`` epochs, then rise again the same way.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        T_max: epochs from the largest to the smallest rate.
        eta_min: the smallest rate; absent: 1 % of ``lr``.
    """
    from torch.optim.lr_scheduler import CosineAnnealingLR

    scheduler = CosineAnnealingLR(optimizer, horizon.steps(T_max), _floor(optimizer, "eta_min", eta_min))
    return {"scheduler": scheduler, "interval": "step"}


def warmup_cosine(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    warmup_steps: NonNegativeFloat | None = None,
    eta_min: NonNegativeFloat | None = None,
) -> SchedulerEntry:
    """Let the rate rise linearly from zero to ``lr``, then fall along half a cosine until the run ends.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        warmup_steps: epochs of the rise; absent: a tenth of the run.
        eta_min: the smallest rate of the fall; absent: 1 % of ``lr``.
    """
    from monai.optimizers import WarmupCosineSchedule

    epochs = warmup_steps if warmup_steps is not None else horizon.num_epochs / 10
    rise = round(epochs * horizon.steps_per_epoch)
    scheduler = WarmupCosineSchedule(optimizer, rise, horizon.num_steps, _floor(optimizer, "eta_min", eta_min))
    return {"scheduler": scheduler, "interval": "step"}


def _floor(optimizer: "Optimizer", name: str, smallest: float | None) -> float:
    """Return the smallest rate, as written or 1 % of ``lr``."""
    rate = float(optimizer.param_groups[0]["lr"])
    if smallest is None:
        return FINAL_SHARE * rate
    if smallest > rate:
        raise ValueError(f"{name} {smallest:g} is above lr {rate:g}, so that the rate would rise to it")
    return smallest
