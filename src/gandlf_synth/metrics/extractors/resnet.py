"""MONAI's ResNets in parts."""

from torch import nn


def layers_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the four layers of a MONAI ``ResNet``, the first with the stem before it."""
    stem, *deeper = (network.get_submodule(f"layer{k}") for k in range(1, 5))
    first = nn.Sequential(*(network.get_submodule(name) for name in ("conv1", "bn1", "act", "maxpool")), stem)
    return first, *deeper
