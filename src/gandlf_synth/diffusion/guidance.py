"""Classifier-free guidance."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Conditional = Callable[..., Tensor]
"""(noisy, timesteps, **condition) → output of the denoiser."""


def classifier_free_guidance(
    denoiser: Conditional,
    condition: Mapping[str, Tensor],
    unknown: Mapping[str, Tensor],
    scale: float,
    *,
    active: Callable[[Tensor], bool] | None = None,
    rescale: float = 0.0,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the denoiser for ``condition``, strengthened (Ho & Salimans 2022, eq. 6, with scale = 1 + w).

    Args:
        denoiser: the conditional denoiser, trained with its condition hidden at random.
        condition: its further inputs by name, each with the batch as first axis.
        unknown: the same where nothing is known.
        scale: 1 is the conditional model itself and costs one evaluation, 0 the unconditional one; others cost two.
        active: whether guidance acts at these timesteps, of one noise level; where it does not, the conditional model
            is used alone; None: everywhere (Kynkäänniemi et al. 2024, arXiv 2404.07724, eq. 5).
        rescale: share φ of the output that is scaled back to the conditional one's spread (Lin et al. 2024, eq. 15-16).

    Example:
        >>> def denoiser(noisy, timesteps, class_labels):
        ...     return noisy + class_labels[:, None]
        >>> known, unknown = {"class_labels": torch.tensor([2])}, {"class_labels": torch.tensor([0])}
        >>> guided = classifier_free_guidance(denoiser, known, unknown, scale=3.0)
        >>> guided(torch.zeros(1, 2), torch.tensor([10]))
        tensor([[6., 6.]])
    """

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        if scale == 1 or (active is not None and not active(timesteps)):
            return denoiser(noisy, timesteps, **condition)
        if scale == 0:
            return denoiser(noisy, timesteps, **unknown)
        doubled = {name: torch.cat([value, unknown[name]]) for name, value in condition.items()}
        both = denoiser(torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), **doubled)
        conditional, unconditional = both.chunk(2)
        strengthened = unconditional + scale * (conditional - unconditional)
        return _rescaled(strengthened, conditional, rescale) if rescale else strengthened

    return denoise


def _rescaled(strengthened: Tensor, conditional: Tensor, share: float) -> Tensor:
    axes = tuple(range(1, conditional.ndim))
    ratio = conditional.std(dim=axes, keepdim=True) / strengthened.std(dim=axes, keepdim=True)
    return strengthened * (share * ratio + 1 - share)
