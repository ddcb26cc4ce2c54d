"""Heun's second-order method (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

from typing import TYPE_CHECKING

from gandlf_synth.diffusion.samplers.base import FreshNoise, NoiseLevel, Predict, Transitions

if TYPE_CHECKING:
    from torch import Tensor


def heun(predict: Predict, noise: "Tensor", transitions: Transitions, fresh_noise: FreshNoise) -> "Tensor":
    """Deterministic, second order, two evaluations per step but one in the last.

    Integrates dx = clean · dα + noise · dσ by the trapezoidal rule in α and σ themselves, not in σ / α as the paper
    does, so that it also starts at pure noise; where α is constant, or the path straight, the two are the same.

    Example:
        >>> import itertools, torch
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> heun(lambda noisy, level: noisy / 2, torch.ones(2), itertools.pairwise(levels), lambda: torch.zeros(2))
        tensor([0.5594, 0.5594])
    """
    noisy = noise
    for start, end in transitions:
        clean, epsilon = _split(predict, noisy, start)
        landed = end.signal * clean + end.sigma * epsilon
        if end.sigma > 0:
            clean_there, epsilon_there = _split(predict, landed, end)
            landed = (
                noisy
                + (end.signal - start.signal) * (clean + clean_there) / 2
                + (end.sigma - start.sigma) * (epsilon + epsilon_there) / 2
            )
        noisy = landed
    return noisy


def _split(predict: Predict, noisy: "Tensor", level: NoiseLevel) -> tuple["Tensor", "Tensor"]:
    """Return the clean image and the noise that ``noisy`` is made of, by the prediction."""
    clean = predict(noisy, level)
    return clean, (noisy - level.signal * clean) / level.sigma
