"""Heun's second-order method (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

from torch import Tensor

from gandlf_synth.diffusion.samplers.noise_level import NoiseLevel, Predict, Transitions


def heun(predict: Predict, noisy: Tensor, transitions: Transitions) -> Tensor:
    """Deterministic, two evaluations per step except the last.

    Integrates dx = clean · dα + noise · dσ by the trapezoidal rule in α and σ themselves, not in σ / α as the paper
    does, so that it also starts at pure noise; where α is constant, or the path straight, the two are the same.
    """
    for start, end in transitions:
        clean, noise = _split(predict, noisy, start)
        landed = end.signal * clean + end.sigma * noise
        if end.sigma > 0:
            clean_there, noise_there = _split(predict, landed, end)
            landed = (
                noisy
                + (end.signal - start.signal) * (clean + clean_there) / 2
                + (end.sigma - start.sigma) * (noise + noise_there) / 2
            )
        noisy = landed
    return noisy


def _split(predict: Predict, noisy: Tensor, level: NoiseLevel) -> tuple[Tensor, Tensor]:
    clean = predict(noisy, level)
    return clean, (noisy - level.signal * clean) / level.sigma
