"""Optimizers and learning-rate schedulers by GaNDLF's names, made from what the YAML says of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from gandlf_synth.config import Component
from gandlf_synth.config.signature import build, factory_of

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torch.optim.optimizer import ParamsT

__all__ = ["Horizon", "SchedulerEntry", "build_optimizer", "build_scheduler"]

_FUSED_DEVICES = ("cuda", "cpu")


@dataclass(frozen=True)
class Horizon:
    """How long training lasts, for schedulers whose defaults depend on it; their second positional-only argument.

    Args:
        steps_per_epoch: steps of the optimizer in an epoch.
        num_epochs: epochs of the run, or of the part of it in which the network learns: not always a whole number.
        monitor: the logged value to watch, for schedulers that watch one.

    Example:
        >>> horizon = Horizon(steps_per_epoch=50, num_epochs=10)
        >>> horizon.num_steps, horizon.steps(0.5)
        (500, 25)
    """

    steps_per_epoch: int
    num_epochs: float
    monitor: str = "train_loss"

    @property
    def num_steps(self) -> int:
        """Steps of the optimizer in all those epochs, at least one."""
        return max(1, round(self.steps_per_epoch * self.num_epochs))

    def steps(self, epochs: float) -> int:
        """Return the steps in ``epochs``, at least one."""
        return max(1, round(epochs * self.steps_per_epoch))


class SchedulerEntry(TypedDict):
    """A scheduler in the form that Lightning's ``configure_optimizers`` returns."""

    scheduler: "LRScheduler"
    interval: Literal["step", "epoch"]
    """How often it acts."""
    monitor: NotRequired[str]
    """The logged value that it watches."""


def build_optimizer(component: Component, parameters: "ParamsT", where: str) -> "Optimizer":
    """Return the optimizer that ``component`` names, for the weights ``parameters``.

    Args:
        component: name and parameters.
        parameters: the weights to optimize.
        where: the place in the configuration, for messages.

    Raises:
        ConfigError: the name or a parameter is wrong.

    Example:
        >>> import torch
        >>> weights = torch.nn.Parameter(torch.zeros(3))
        >>> component = Component.model_validate({"name": "adam", "lr": 0.01})
        >>> build_optimizer(component, [weights], "model_config.optimizers").defaults["lr"]
        0.01
    """
    optimizer: Optimizer = build(factory_of("optimizers", component, where), component, where, parameters)
    _fuse(optimizer)
    return optimizer


def _fuse(optimizer: "Optimizer") -> None:
    """Let one kernel update all weights, where torch has one; on a CPU it takes an eighth of the time.

    Torch's own argument ``fused`` would also take the gradient scaler's work over, and clipping with it. For weights
    that processes share, torch has it for some optimizers only.
    """
    from torch.distributed.tensor import DTensor
    from torch.optim import SGD, Adam

    if not isinstance(optimizer, Adam | SGD):
        return
    for group in optimizer.param_groups:
        weights = group["params"]
        if all(each.device.type in _FUSED_DEVICES and not isinstance(each, DTensor) for each in weights):
            group["fused"] = True


def full_rate(optimizer: "Optimizer") -> float:
    """Return the learning rate that ``optimizer`` was built with; DeepSpeed puts one of its own around it."""
    rate: float = getattr(optimizer, "optimizer", optimizer).defaults["lr"]
    return rate


def build_scheduler(
    component: Component,
    optimizer: "Optimizer",
    steps_per_epoch: int,
    num_epochs: float,
    where: str,
    *,
    monitor: str = "train_loss",
) -> SchedulerEntry:
    """Return the scheduler that ``component`` names.

    Args:
        component: name and parameters.
        optimizer: what it schedules.
        steps_per_epoch: steps of the optimizer in an epoch.
        num_epochs: epochs in which it acts, not always a whole number.
        where: the place in the configuration, for messages.
        monitor: the logged value that a scheduler watches unless the component names another.

    Raises:
        ConfigError: the name or a parameter is wrong.
    """
    steps = max(1, steps_per_epoch)
    horizon = Horizon(steps, max(1 / steps, num_epochs), monitor)
    entry: SchedulerEntry = build(factory_of("schedulers", component, where), component, where, optimizer, horizon)
    return entry
