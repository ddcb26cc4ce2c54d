"""DDIM and ancestral DDPM (Song et al. 2021, arXiv 2010.02502; Ho et al. 2020, arXiv 2006.11239)."""

import math
from collections.abc import Callable

from torch import Tensor

from gandlf_synth.diffusion.samplers.noise_level import NoiseLevel, Predict, Transitions, ddim_step


def ddim(predict: Predict, noisy: Tensor, transitions: Transitions) -> Tensor:
    """Deterministic, first order (Song et al. 2021, eq. 12 with η = 0); on straight paths this is Euler's method."""
    for start, end in transitions:
        noisy = ddim_step(noisy, predict(noisy, start), start, end)
    return noisy


def ddpm(predict: Predict, noisy: Tensor, transitions: Transitions, fresh: Callable[[], Tensor]) -> Tensor:
    """Ancestral (Song et al. 2021, eq. 12 with η = 1, which on all timesteps is Ho et al. 2020, algorithm 2)."""
    for start, end in transitions:
        clean = predict(noisy, start)
        direction = (noisy - start.signal * clean) / start.sigma
        std = _posterior_std(start, end)
        noisy = end.signal * clean + max(end.sigma**2 - std**2, 0.0) ** 0.5 * direction
        if std > 0:
            noisy = noisy + std * fresh()
    return noisy


def _posterior_std(start: NoiseLevel, end: NoiseLevel) -> float:
    """Standard deviation of q(end | start, clean) (Song et al. 2021, eq. 16 with η = 1)."""
    kept = start.signal / end.signal
    variance = max(start.sigma**2 - (kept * end.sigma) ** 2, 0.0)
    return end.sigma / start.sigma * math.sqrt(variance)
