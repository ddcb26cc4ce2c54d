"""Euler's method along the straight paths of rectified flow (Liu et al. 2023, arXiv 2209.03003, §2.1)."""

from typing import TYPE_CHECKING

from gandlf_synth.diffusion.samplers.base import FreshNoise, Predict, Transitions, ddim_step, only_for

if TYPE_CHECKING:
    from torch import Tensor


@only_for("flow")
def euler(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Deterministic, first order, one evaluation per step; DDIM's step is Euler's where the path is straight.

    Example:
        >>> import itertools, torch
        >>> from gandlf_synth.diffusion.samplers.base import NoiseLevel
        >>> levels = [NoiseLevel(1.0, 0.0, 1.0), NoiseLevel(0.5, 0.5, 0.5), NoiseLevel(0.0, 1.0, 0.0)]
        >>> euler(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.3750, 0.3750])
    """
    noisy = noise
    for start, end in transitions:
        noisy = ddim_step(noisy, predict(noisy, start), start, end)
    return noisy
