"""DPM-Solver++ of second order, multistep (Lu et al. 2022, arXiv 2211.01095)."""

from collections.abc import Callable

from torch import Tensor

from gandlf_synth.diffusion.samplers.noise_level import (
    NoiseLevel,
    Predict,
    Transitions,
    ddim_step,
    extrapolation_weight,
)


def dpmpp_2m(predict: Predict, noisy: Tensor, transitions: Transitions) -> Tensor:
    """Deterministic, one evaluation per step (algorithm 2)."""
    extrapolate = _Extrapolation()
    for start, end in transitions:
        clean = extrapolate(predict(noisy, start), start, end)
        noisy = ddim_step(noisy, clean, start, end)
    return noisy


def dpmpp_2m_sde(predict: Predict, noisy: Tensor, transitions: Transitions, fresh: Callable[[], Tensor]) -> Tensor:
    """Stochastic, one evaluation per step (§5, eq. 14 and its second-order form)."""
    extrapolate = _Extrapolation()
    for start, end in transitions:
        clean = extrapolate(predict(noisy, start), start, end)
        shrink = end.sigma / start.sigma
        decay = shrink * start.signal / end.signal  # e^{-h}
        noisy = shrink * decay * noisy + end.signal * (1 - decay**2) * clean
        if end.sigma > 0:
            noisy = noisy + end.sigma * (1 - decay**2) ** 0.5 * fresh()
    return noisy


class _Extrapolation:
    """Carries the last prediction forward to the middle of the next step."""

    def __init__(self) -> None:
        self._before: NoiseLevel | None = None
        self._clean_before: Tensor | None = None

    def __call__(self, clean: Tensor, start: NoiseLevel, end: NoiseLevel) -> Tensor:
        share = extrapolation_weight(self._before, start, end)
        before = self._clean_before
        self._before, self._clean_before = start, clean
        return clean if before is None or share == 0 else (1 + share) * clean - share * before
