"""Classifier-free guidance."""

from collections.abc import Callable

import torch
from torch import Tensor

Conditional = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(noisy, timesteps, labels) → output of the denoiser."""


def guided(denoiser: Conditional, labels: Tensor, null_label: int, scale: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the denoiser for ``labels``, strengthened (Ho & Salimans 2022, eq. 6, with scale = 1 + w).

    Args:
        denoiser: the conditional denoiser, trained with label dropout.
        labels: ``(batch,)``.
        null_label: the label that stands for none.
        scale: 1 is the conditional model itself and costs one evaluation, 0 the unconditional one; others cost two.
    """
    nothing = torch.full_like(labels, null_label)

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        if scale == 1:
            return denoiser(noisy, timesteps, labels)
        if scale == 0:
            return denoiser(noisy, timesteps, nothing)
        both = denoiser(torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), torch.cat([labels, nothing]))
        conditional, unconditional = both.chunk(2)
        return unconditional + scale * (conditional - unconditional)

    return denoise
