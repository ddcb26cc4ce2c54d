"""DDIM and ancestral DDPM (Song et al. 2021, arXiv 2010.02502; Ho et al. 2020, arXiv 2006.11239)."""

import math
from typing import TYPE_CHECKING

from gandlf_synth.diffusion.samplers.base import FreshNoise, NoiseLevel, Predict, Transitions, ddim_step, only_for

if TYPE_CHECKING:
    from torch import Tensor


@only_for("diffusion")
def ddim(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Deterministic, first order, one evaluation per step (Song et al. 2021, eq. 12 with η = 0).

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> ddim(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.5500, 0.5500])
    """
    noisy = noise
    for start, end in transitions:
        noisy = ddim_step(noisy, predict(noisy, start), start, end)
    return noisy


@only_for("diffusion")
def ddpm(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Ancestral: adds noise in every step (Song et al. 2021, eq. 12 with η = 1).

    On all timesteps this is Ho et al. 2020, algorithm 2.

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> ddpm(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.1500, 0.1500])
    """
    noisy = noise
    for start, end in transitions:
        clean = predict(noisy, start)
        direction = (noisy - start.signal * clean) / start.sigma  # ε of eq. 12
        std = _posterior_std(start, end)
        noisy = end.signal * clean + max(end.sigma**2 - std**2, 0.0) ** 0.5 * direction
        if std > 0:
            noisy = noisy + std * fresh_noise()
    return noisy


def _posterior_std(start: NoiseLevel, end: NoiseLevel) -> float:
    """Standard deviation of q(end | start, clean) (Song et al. 2021, eq. 16 with η = 1)."""
    decay = start.signal / end.signal
    variance = max(start.sigma**2 - (decay * end.sigma) ** 2, 0.0)
    return end.sigma / start.sigma * math.sqrt(variance)
