"""Loss functions by GaNDLF's names, made from what the YAML says of them."""

from typing import TYPE_CHECKING

from gandlf_synth.config import Component
from gandlf_synth.config.signature import build, factory_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_loss"]


def build_loss(component: Component, where: str, **context: object) -> "nn.Module":
    """Return the loss that ``component`` names.

    Args:
        component: name and parameters.
        where: the place in the configuration, for messages.
        context: parameters that the caller insists on, such as ``reduction="none"``; they win over the component's.

    Raises:
        ConfigError: the name or a parameter is wrong, or the loss has no parameter that the caller insists on.

    Example:
        >>> import torch
        >>> loss = build_loss(Component(name="mse"), "model_config.losses", reduction="none")
        >>> loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])).tolist()
        [1.0, 9.0]
    """
    loss: nn.Module = build(factory_of("losses", component, where), component, where, **context)
    return loss
