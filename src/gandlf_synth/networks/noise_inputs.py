"""The noise that style-based generators take at every layer, for details that no style decides."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_randn

NoiseInputs = Callable[[tuple[int, ...]], Tensor]
"""Returns standard normal noise ``(batch, 1, *size)`` for the size of a layer's features."""


def random_noise(batch_size: int, device: torch.device | str = "cpu") -> NoiseInputs:
    """Return noise from torch's own generator, for training.

    Example:
        >>> random_noise(2)((8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    return lambda size: draw_randn((batch_size, 1, *size), device)


def seeded_noise(generators: Sequence[torch.Generator], device: torch.device | str = "cpu") -> NoiseInputs:
    """Return noise of which each image's comes from its own CPU generator, for sampling.

    Example:
        >>> one, other = (seeded_noise([torch.Generator().manual_seed(3)]) for _ in range(2))
        >>> torch.equal(one((4, 4)), other((4, 4)))
        True
    """
    return lambda size: torch.stack([torch.randn(1, *size, generator=rng) for rng in generators]).to(device)
