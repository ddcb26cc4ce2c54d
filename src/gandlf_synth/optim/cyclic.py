"""Learning rates that go up and down (Smith 2017, "Cyclical Learning Rates", arXiv 1506.01186).

A cycle is two steps long; ``step_size`` is the length of a step in epochs (Smith recommends 2 to 10).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from gandlf_synth.optim import Horizon, SchedulerEntry

if TYPE_CHECKING:
    from torch.optim import Optimizer

Momentum = Annotated[float, Field(ge=0, lt=1)]
_LOWEST = 1e-3
_END_OF_RUN = 0.01


def triangle(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    step_size: PositiveFloat = 4,
    min_lr: NonNegativeFloat = _LOWEST,
    max_lr: PositiveFloat = 1.0,
) -> SchedulerEntry:
    """Multiply the rate by factors that fall from ``max_lr`` to ``min_lr`` in ``step_size`` epochs, and rise again.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        step_size: epochs from the largest to the smallest rate.
        min_lr: the smallest factor of ``lr``.
        max_lr: the largest factor of ``lr``.
    """
    return _valleys(optimizer, horizon.steps(2 * step_size), min_lr, max_lr)


def triangle_modified(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    step_size: PositiveFloat = 8,
    min_lr: NonNegativeFloat = 1e-6,
    max_lr: PositiveFloat = 1e-3,
    max_lr_multiplier: PositiveFloat = 1.0,
) -> SchedulerEntry:
    """Multiply the rate by factors that fall from ``max_lr_multiplier`` to ``min_lr / max_lr``, and rise again.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        step_size: epochs of a whole cycle.
        min_lr: together with ``max_lr`` the smallest factor of ``lr``, their ratio.
        max_lr: see ``min_lr``.
        max_lr_multiplier: the largest factor of ``lr``.
    """
    return _valleys(optimizer, horizon.steps(step_size), min_lr / max_lr, max_lr_multiplier)


def _valleys(optimizer: "Optimizer", cycle: int, lowest: float, highest: float) -> SchedulerEntry:
    from torch.optim.lr_scheduler import LambdaLR

    if lowest > highest:
        raise ValueError(f"the smallest factor {lowest:g} is above the largest, {highest:g}")

    def factor(step: int) -> float:
        height = abs(2 * (step % cycle) / cycle - 1)
        return lowest + (highest - lowest) * height

    return {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}


def triangular(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    step_size: PositiveFloat = 4,
    min_lr: PositiveFloat | None = None,
    max_lr: PositiveFloat | None = None,
    gamma: PositiveFloat = 1.0,
    scale_mode: Literal["cycle", "iterations"] = "cycle",
    cycle_momentum: bool = False,
    base_momentum: Momentum = 0.8,
    max_momentum: Momentum = 0.9,
) -> SchedulerEntry:
    """Let the rate rise from ``min_lr`` to ``max_lr`` in ``step_size`` epochs, and fall again.

    Args:
        optimizer: what is scheduled.
        horizon: how long the run lasts.
        step_size: epochs from the smallest to the largest rate.
        min_lr: the smallest rate; absent: ``lr`` / 1000.
        max_lr: the largest rate; absent: ``lr``.
        gamma: accepted for configs of GaNDLF; has no effect.
        scale_mode: accepted for configs of GaNDLF; has no effect.
        cycle_momentum: let the momentum fall while the rate rises; needs an optimizer with momentum.
        base_momentum: the smallest momentum.
        max_momentum: the largest momentum.
    """
    momentum = {"cycle_momentum": cycle_momentum, "base_momentum": base_momentum, "max_momentum": max_momentum}
    return _cyclic(optimizer, horizon.steps(step_size), min_lr, max_lr, gamma=gamma, scale_mode=scale_mode, **momentum)


def exp_range(
    optimizer: "Optimizer",
    horizon: Horizon,
    /,
    *,
    step_size: PositiveFloat = 4,
    min_lr: PositiveFloat | None = None,
    max_lr: PositiveFloat | None = None,
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None,
    scale_mode: Literal["cycle", "iterations"] = "iterations",
    cycle_momentum: bool = False,
    base_momentum: Momentum = 0.8,
    max_momentum: Momentum = 0.9,
) -> SchedulerEntry:
    """Do as ``triangular`` with peaks that shrink by ``gamma`` in every epoch; absent: to 1 % by the end of the run.

    The other parameters are those of ``triangular``.
    """
    per_run = gamma**horizon.num_epochs if gamma is not None else _END_OF_RUN
    momentum = {"cycle_momentum": cycle_momentum, "base_momentum": base_momentum, "max_momentum": max_momentum}
    shrinking = {"mode": "exp_range", "gamma": per_run ** (1 / horizon.num_steps), "scale_mode": scale_mode}
    return _cyclic(optimizer, horizon.steps(step_size), min_lr, max_lr, **shrinking, **momentum)


def _cyclic(
    optimizer: "Optimizer", length: int, min_lr: float | None, max_lr: float | None, **options: Any
) -> SchedulerEntry:
    from torch.optim.lr_scheduler import CyclicLR

    highest = max_lr if max_lr is not None else float(optimizer.param_groups[0]["lr"])
    lowest = min_lr if min_lr is not None else _LOWEST * highest
    if lowest > highest:
        raise ValueError(f"min_lr {lowest:g} is above max_lr {highest:g}")
    return {"scheduler": CyclicLR(optimizer, lowest, highest, length, **options), "interval": "step"}
