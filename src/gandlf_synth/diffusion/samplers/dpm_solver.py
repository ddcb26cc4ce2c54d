"""DPM-Solver++ of second order, multistep (Lu et al. 2022, arXiv 2211.01095)."""

from typing import TYPE_CHECKING

from gandlf_synth.diffusion.samplers.base import (
    FreshNoise,
    NoiseLevel,
    Predict,
    Transitions,
    ddim_step,
    extrapolation_weight,
    only_for,
)

if TYPE_CHECKING:
    from torch import Tensor


def dpmpp_2m(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Deterministic, second order, one evaluation per step (algorithm 2).

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> dpmpp_2m(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.5500, 0.5500])
    """
    extrapolate = _Extrapolation()
    noisy = noise
    for start, end in transitions:
        clean = extrapolate(predict(noisy, start), start, end)
        noisy = ddim_step(noisy, clean, start, end)
    return noisy


@only_for("diffusion")
def dpmpp_2m_sde(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Adds noise in every step but the last; one evaluation per step (§5, eq. 14 and its second-order form).

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> steps, noise = itertools.pairwise(levels), torch.ones(2)
        >>> dpmpp_2m_sde(lambda noisy, level: noisy / 2, noise, steps, lambda: torch.zeros(2))
        tensor([0.1500, 0.1500])
    """
    extrapolate = _Extrapolation()
    noisy = noise
    for start, end in transitions:
        clean = extrapolate(predict(noisy, start), start, end)
        shrink = end.sigma / start.sigma
        decay = shrink * start.signal / end.signal  # e^{-h}
        noisy = shrink * decay * noisy + end.signal * (1 - decay**2) * clean
        if end.sigma > 0:
            noisy = noisy + end.sigma * (1 - decay**2) ** 0.5 * fresh_noise()
    return noisy


class _Extrapolation:
    """Carries the last prediction forward to the middle of the next step."""

    def __init__(self) -> None:
        self._before: NoiseLevel | None = None
        self._clean_before: Tensor | None = None

    def __call__(self, clean: "Tensor", start: NoiseLevel, end: NoiseLevel) -> "Tensor":
        weight = extrapolation_weight(self._before, start, end)
        clean_before = self._clean_before
        self._before, self._clean_before = start, clean
        return clean if clean_before is None or weight == 0 else (1 + weight) * clean - weight * clean_before
