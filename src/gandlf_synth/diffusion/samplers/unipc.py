"""UniPC of order 2 with B₂(h), predicting the clean image (Zhao et al. 2023, arXiv 2302.04867)."""

import math
from typing import TYPE_CHECKING

from gandlf_synth.diffusion.samplers.base import (
    FreshNoise,
    NoiseLevel,
    Predict,
    Transitions,
    ddim_step,
    extrapolation_weight,
)

if TYPE_CHECKING:
    from torch import Tensor


def unipc(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Deterministic, second order, one evaluation per step.

    The prediction at the end of a step corrects it and starts the next.

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> unipc(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.5500, 0.5500])
    """
    noisy = noise
    before: NoiseLevel | None = None
    clean_before = clean = None
    for start, end in transitions:
        if clean is None:
            clean = predict(noisy, start)
        weight = extrapolation_weight(before, start, end)
        middle = clean if clean_before is None else clean + weight * (clean - clean_before)
        landed = ddim_step(noisy, middle, start, end)
        if end.sigma == 0:
            return landed
        there = predict(landed, end)
        if start.signal > 0:
            landed = _corrected(noisy, (clean_before, clean, there), (before, start, end))
        before, clean_before, clean, noisy = start, clean, there, landed
    return noisy


def _corrected(
    noisy: "Tensor",
    predictions: tuple["Tensor | None", "Tensor", "Tensor"],
    levels: tuple[NoiseLevel | None, NoiseLevel, NoiseLevel],
) -> "Tensor":
    """Return the end of a step, knowing the prediction there (UniC, eq. 3 and §3.2; first order without history)."""
    clean_before, clean, there = predictions
    before, start, end = levels
    straight = ddim_step(noisy, clean, start, end)
    gain = end.signal - end.sigma / start.sigma * start.signal  # -α B₂(h), as data prediction has h → -h
    if clean_before is None or before is None or before.signal == 0:
        return straight + gain * 0.5 * (there - clean)
    step = end.log_snr - start.log_snr
    past = (before.log_snr - start.log_snr) / step
    first = (math.expm1(-step) / -step - 1) / math.expm1(-step)
    second = 2 * ((math.expm1(-step) / -step - 1) / -step - 0.5) / math.expm1(-step)
    past_weight = (first - second) / (1 - past)
    end_weight = first - past_weight
    return straight + gain * (past_weight * (clean_before - clean) / past + end_weight * (there - clean))
