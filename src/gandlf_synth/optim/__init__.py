"""Optimizers and learning-rate schedulers by GaNDLF's names, made from what the YAML says of them."""

from typing import TYPE_CHECKING, Any

from gandlf_synth.config import Component
from gandlf_synth.config.signature import build, factory_of
from gandlf_synth.optim.horizon import Horizon

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.optimizer import ParamsT

__all__ = ["Horizon", "build_optimizer", "build_scheduler"]


def build_optimizer(component: Component, parameters: "ParamsT", where: str) -> "Optimizer":
    """Return the optimizer that ``component`` names, for the weights ``parameters``.

    Raises:
        ConfigError: the name or a parameter is wrong.
    """
    optimizer: Optimizer = build(factory_of("optimizers", component, where), component, where, parameters)
    return optimizer


def build_scheduler(
    component: Component,
    optimizer: "Optimizer",
    steps_per_epoch: int,
    num_epochs: int,
    where: str,
    *,
    monitor: str = "train_loss",
) -> dict[str, Any]:
    """Return the scheduler that ``component`` names, in the form that Lightning's ``configure_optimizers`` returns.

    Args:
        component: name and parameters.
        optimizer: what it schedules.
        steps_per_epoch: steps of the optimizer in an epoch.
        num_epochs: epochs of the run.
        where: the place in the configuration, for messages.
        monitor: the logged value that a scheduler watches unless the component names another.

    Returns:
        ``scheduler``, ``interval`` (``"step"`` or ``"epoch"``) and ``monitor``.

    Raises:
        ConfigError: the name or a parameter is wrong.
    """
    horizon = Horizon(max(1, steps_per_epoch), max(1, num_epochs), monitor)
    made: dict[str, Any] = build(factory_of("schedulers", component, where), component, where, optimizer, horizon)
    return made
