"""UniPC of order 2 with B₂(h), predicting the clean image (Zhao et al. 2023, arXiv 2302.04867)."""

import math

from torch import Tensor

from gandlf_synth.diffusion.samplers.noise_level import (
    NoiseLevel,
    Predict,
    Transitions,
    ddim_step,
    extrapolation_weight,
)


def unipc(predict: Predict, noisy: Tensor, transitions: Transitions) -> Tensor:
    """Deterministic, one evaluation per step: the prediction at the end of a step corrects it and starts the next."""
    before: NoiseLevel | None = None
    clean_before = clean = None
    for start, end in transitions:
        if clean is None:
            clean = predict(noisy, start)
        share = extrapolation_weight(before, start, end)
        middle = clean if clean_before is None else clean + share * (clean - clean_before)
        landed = ddim_step(noisy, middle, start, end)
        if end.sigma == 0:
            return landed
        there = predict(landed, end)
        if start.signal > 0:
            landed = _corrected(noisy, (clean_before, clean, there), (before, start, end))
        before, clean_before, clean, noisy = start, clean, there, landed
    return noisy


def _corrected(
    noisy: Tensor,
    predictions: tuple[Tensor | None, Tensor, Tensor],
    levels: tuple[NoiseLevel | None, NoiseLevel, NoiseLevel],
) -> Tensor:
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
    of_past = (first - second) / (1 - past)
    of_there = first - of_past
    return straight + gain * (of_past * (clean_before - clean) / past + of_there * (there - clean))
