"""Changes of low rank beside weights that stay as they are (Hu et al. 2021, arXiv 2106.09685)."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Layer = nn.Linear | nn.Conv2d | nn.Conv3d
_LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)
_ATTENTION = ("Attention", "SABlock")
"""What the classes of attention blocks have in their names, in MONAI and here."""
_BASE = ".parametrizations.weight.original"
_CHANGE = ".parametrizations.weight.0."


class LowRankChange(nn.Module):
    """Adds ``alpha / rank · up @ down`` to a weight; nothing before it was trained, since ``up`` begins at zero.

    Args:
        shape: of the weight, ``(out, in, *kernel)``.
        rank: of the change; no more than the weight allows.
        alpha: its strength.

    Example:
        >>> weight = torch.randn(4, 3, 3, 3)
        >>> torch.equal(LowRankChange(weight.shape, rank=2, alpha=2.0)(weight), weight)
        True
    """

    def __init__(self, shape: torch.Size, rank: int, alpha: float) -> None:
        super().__init__()
        rows, columns = shape[0], shape[1:].numel()
        rank = min(rank, rows, columns)
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return ``weight`` with the change."""
        return weight + (self.scale * self.up @ self.down).view_as(weight)


def changeable_layers(network: nn.Module, *, only_attention: bool) -> Iterator[tuple[str, Layer]]:
    """Yield the linear and convolutional layers of ``network`` that learn, each with its name.

    Args:
        network: any.
        only_attention: only the linear layers inside of attention.
    """
    attention: set[str] = set()
    for name, module in network.named_modules():
        inside = name.rpartition(".")[0] in attention or any(word in type(module).__name__ for word in _ATTENTION)
        if inside:
            attention.add(name)
        wanted = not only_attention or (inside and isinstance(module, nn.Linear))
        if wanted and isinstance(module, _LAYERS) and module.weight.requires_grad:
            yield name, module


def add_changes(network: nn.Module, *, rank: int, alpha: float, only_attention: bool) -> list[str]:
    """Give layers of ``network`` a change of low rank, freeze everything else, and return the names of the layers.

    Args:
        network: any.
        rank: of the changes.
        alpha: their strength.
        only_attention: only the linear layers inside of attention.
    """
    layers = dict(changeable_layers(network, only_attention=only_attention))
    network.requires_grad_(False)
    for layer in layers.values():
        change = LowRankChange(layer.weight.shape, rank, alpha)
        parametrize.register_parametrization(layer, "weight", change)
    return list(layers)


def merge_changes(network: nn.Module) -> None:
    """Put the changes of low rank into the weights of ``network``, which is a plain network then.

    Example:
        >>> layer = nn.Sequential(nn.Linear(3, 2))
        >>> add_changes(layer, rank=1, alpha=1.0, only_attention=False)
        ['0']
        >>> merge_changes(layer)
        >>> sorted(layer.state_dict())
        ['0.bias', '0.weight']
    """
    for module in list(network.modules()):
        if isinstance(module, _LAYERS) and parametrize.is_parametrized(module, "weight"):
            with torch.no_grad():
                parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def plain_name(name: str) -> str:
    """Return what a weight is called in the network without changes.

    Example:
        >>> plain_name("out.2.conv.parametrizations.weight.original"), plain_name("out.0.bias")
        ('out.2.conv.weight', 'out.0.bias')
    """
    return f"{name.removesuffix(_BASE)}.weight" if name.endswith(_BASE) else name


def without_changes(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` under their plain names, without the changes."""
    return {plain_name(name): value for name, value in weights.items() if _CHANGE not in name}


def is_change(name: str) -> bool:
    """Say whether a weight of that name belongs to a change of low rank."""
    return _CHANGE in name
