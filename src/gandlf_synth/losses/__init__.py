"""Loss functions by GaNDLF's names, made from what the YAML says of them."""

from typing import TYPE_CHECKING, Any

from gandlf_synth.config import Component
from gandlf_synth.config.signature import build, factory_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_loss"]


def build_loss(component: Component, where: str, **context: Any) -> "nn.Module":
    """Return the loss that ``component`` names.

    Args:
        component: name and parameters.
        where: the place in the configuration, for messages.
        context: parameters that the caller insists on, such as ``reduction="none"``; they win over the component's.

    Raises:
        ConfigError: the name or a parameter is wrong, or the loss has no parameter that the caller insists on.
    """
    loss: nn.Module = build(factory_of("losses", component, where), component, where, **context)
    return loss
