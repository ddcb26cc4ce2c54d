"""From noise to images: the reverse process on any subset of the timesteps.

The solvers are written here, not taken from diffusers, whose schedulers assume T divisible by the number of steps and
remove too little noise otherwise (docs/decisions/0004-own-sampler-step.md). Coefficients are float64.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gandlf_synth.diffusion.objective import PredictionType, clean_from
from gandlf_synth.diffusion.samplers import (
    Deterministic,
    NoiseLevel,
    Stochastic,
    ddim,
    ddpm,
    dpmpp_2m,
    dpmpp_2m_sde,
    heun,
    unipc,
)
from gandlf_synth.diffusion.schedules import NoiseSchedule

SamplerName = Literal["ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "heun"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)

_DETERMINISTIC: dict[str, Deterministic] = {"ddim": ddim, "dpmpp_2m": dpmpp_2m, "unipc": unipc, "heun": heun}
_STOCHASTIC: dict[str, Stochastic] = {"ddpm": ddpm, "dpmpp_2m_sde": dpmpp_2m_sde}
_NO_NOISE = NoiseLevel(-1, 1.0, 0.0)

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
        num_inference_steps: steps, at most the schedule's timesteps; one evaluation of the denoiser each, but two
            with ``heun``.
        sampler: the solver; ``ddpm`` and ``dpmpp_2m_sde`` add noise, the others are deterministic.
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        generators: one CPU generator per image, for the noise that a sampler adds; absent: torch's own.
        progress: wraps the steps, to show them.
    """
    alphas_cumprod = schedule.alphas_cumprod.tolist()
    visited = inference_timesteps(schedule.num_timesteps, num_inference_steps)
    levels = [NoiseLevel(t, alphas_cumprod[t] ** 0.5, (1 - alphas_cumprod[t]) ** 0.5) for t in visited]

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        output = denoise(noisy, torch.full((len(noisy),), int(level.time), device=noisy.device))
        clean = _clean(prediction_type, output, noisy, level.signal, level.sigma)
        return clean.clamp(-1, 1) if clip_sample else clean

    transitions = progress(list(zip(levels, [*levels[1:], _NO_NOISE], strict=True)))
    if sampler in _STOCHASTIC:
        return _STOCHASTIC[sampler](predict, noise, transitions, lambda: _noise_like(noise, generators))
    return _DETERMINISTIC[sampler](predict, noise, transitions)


def _clean(prediction_type: PredictionType, output: Tensor, noisy: Tensor, signal: float, sigma: float) -> Tensor:
    if prediction_type == "epsilon":
        signal = max(signal, 1e-4)  # at zero SNR it would divide by zero
    return clean_from(prediction_type, output, noisy, *torch.tensor([signal, sigma], dtype=torch.float64))


def _noise_like(noisy: Tensor, generators: Sequence[torch.Generator] | None) -> Tensor:
    if generators is None:
        return torch.randn_like(noisy)
    drawn = [torch.randn(noisy.shape[1:], generator=generator) for generator in generators]
    return torch.stack(drawn).to(noisy)
