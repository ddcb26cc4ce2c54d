"""From noise to images: the reverse process on any subset of the timesteps.

The step is written here, not taken from diffusers, because its DDIM scheduler assumes T divisible by the number of
steps and removes too little noise otherwise (docs/decisions/0004-own-sampler-step.md). Coefficients are float64.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gandlf_synth.diffusion.objective import PredictionType, clean_from
from gandlf_synth.diffusion.schedules import NoiseSchedule

SamplerName = Literal["ddpm", "ddim"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy (batch, …), timesteps (batch,)) → output in the denoiser's prediction type."""


def inference_timesteps(num_timesteps: int, num_inference_steps: int) -> list[int]:
    """Return which timesteps to visit, from T - 1 downwards ("trailing", Lin et al. 2024, §3.3)."""
    steps = min(num_inference_steps, num_timesteps)
    return [round(num_timesteps * (steps - index) / steps) - 1 for index in range(steps)]


def sample(
    denoise: Denoise,
    noise: Tensor,
    schedule: NoiseSchedule,
    prediction_type: PredictionType,
    *,
    num_inference_steps: int,
    sampler: SamplerName = "ddim",
    clip_sample: bool = True,
    generators: Sequence[torch.Generator] | None = None,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Tensor:
    """Return samples, of the shape of ``noise``.

    Args:
        denoise: the denoiser.
        noise: ``(batch, …)``, standard normal.
        schedule: the forward process that the denoiser was trained on.
        prediction_type: what the denoiser outputs.
        num_inference_steps: evaluations of the denoiser, at most the schedule's timesteps.
        sampler: ``ddim``, deterministic (Song et al. 2021, eq. 12 with η = 0), or ``ddpm``, ancestral (the same with
            η = 1, which on all timesteps is Ho et al. 2020, algorithm 2).
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        generators: one CPU generator per image, for the noise that ``ddpm`` adds; absent: torch's own.
        progress: wraps the timesteps, to show them.
    """
    alphas_cumprod = schedule.alphas_cumprod.tolist()
    timesteps = inference_timesteps(schedule.num_timesteps, num_inference_steps)
    eta = 1.0 if sampler == "ddpm" else 0.0
    noisy = noise
    for timestep, previous in progress(list(zip(timesteps, [*timesteps[1:], -1], strict=True))):
        alpha = alphas_cumprod[timestep]
        alpha_previous = alphas_cumprod[previous] if previous >= 0 else 1.0
        signal, sigma = alpha**0.5, (1 - alpha) ** 0.5
        output = denoise(noisy, torch.full((len(noisy),), timestep, device=noisy.device))
        clean = _clean(prediction_type, output, noisy, signal, sigma)
        clean = clean.clamp(-1, 1) if clip_sample else clean
        direction = (noisy - signal * clean) / sigma
        fresh = eta * _posterior_std(alpha, alpha_previous)
        noisy = alpha_previous**0.5 * clean + max(1 - alpha_previous - fresh**2, 0.0) ** 0.5 * direction
        if fresh > 0:
            noisy = noisy + fresh * _noise_like(noisy, generators)
    return noisy


def _clean(prediction_type: PredictionType, output: Tensor, noisy: Tensor, signal: float, sigma: float) -> Tensor:
    smallest = 1e-4  # an epsilon output at zero SNR would divide by zero
    return clean_from(prediction_type, output, noisy, torch.tensor(max(signal, smallest)), torch.tensor(sigma))


def _posterior_std(alpha: float, alpha_previous: float) -> float:
    """Standard deviation of q(previous | current, clean) (Song et al. 2021, eq. 16 with η = 1)."""
    return float(((1 - alpha_previous) / (1 - alpha) * (1 - alpha / alpha_previous)) ** 0.5)


def _noise_like(noisy: Tensor, generators: Sequence[torch.Generator] | None) -> Tensor:
    if generators is None:
        return torch.randn_like(noisy)
    drawn = [torch.randn(noisy.shape[1:], generator=generator) for generator in generators]
    return torch.stack(drawn).to(noisy)
