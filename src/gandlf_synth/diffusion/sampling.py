"""From noise to images: the way back through the noise levels of diffusion or along straight paths.

The samplers are written here, not taken from diffusers, whose schedulers assume T divisible by the number of steps and
remove too little noise otherwise (docs/decisions/0004-own-sampler-step.md). Coefficients are Python's numbers.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gandlf_synth.diffusion.flow import shift_times
from gandlf_synth.diffusion.objective import PredictionType, clean_from
from gandlf_synth.diffusion.samplers.base import NoiseLevel, Predict, Sampler
from gandlf_synth.diffusion.schedules import NoiseSchedule
from gandlf_synth.progress import tell_share

_NO_NOISE = NoiseLevel(-1, 1.0, 0.0)

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy (batch, …), timesteps (batch,)) → output in the denoiser's prediction type."""


def inference_timesteps(num_timesteps: int, num_inference_steps: int) -> list[int]:
    """Return which timesteps to visit, from T - 1 downwards ("trailing", Lin et al. 2024, §3.3).

    Example:
        >>> inference_timesteps(1000, 4)
        [999, 749, 499, 249]
    """
    steps = min(num_inference_steps, num_timesteps)
    return [round(num_timesteps * (steps - index) / steps) - 1 for index in range(steps)]


def sample(
    denoise: Denoise,
    noise: Tensor,
    schedule: NoiseSchedule,
    prediction_type: PredictionType,
    *,
    sampler: Sampler,
    num_inference_steps: int,
    clip_sample: bool = True,
    generators: Sequence[torch.Generator] | None = None,
) -> Tensor:
    """Return samples of a diffusion model, of the shape of ``noise``.

    Args:
        denoise: the denoiser.
        noise: ``(batch, …)``, standard normal.
        schedule: the forward process that the denoiser was trained on.
        prediction_type: what the denoiser outputs.
        sampler: walks the levels.
        num_inference_steps: steps, at most the schedule's timesteps; one evaluation of the denoiser each, but two
            with ``heun``.
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        generators: one CPU generator per image, for the noise that a sampler adds; None: torch's own.

    Example:
        >>> from gandlf_synth.diffusion.samplers.ddim import ddim
        >>> from gandlf_synth.diffusion.schedules import noise_schedule
        >>> always_half = lambda noisy, timesteps: torch.full_like(noisy, 0.5)
        >>> schedule = noise_schedule("cosine", 1000)
        >>> sample(always_half, torch.randn(1, 3), schedule, "sample", sampler=ddim, num_inference_steps=5)
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    alphas_cumprod = schedule.alphas_cumprod.tolist()
    timesteps = inference_timesteps(schedule.num_timesteps, num_inference_steps)
    levels = [NoiseLevel(t, alphas_cumprod[t] ** 0.5, (1 - alphas_cumprod[t]) ** 0.5) for t in timesteps]

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        output = denoise(noisy, torch.full((len(noisy),), int(level.time), device=noisy.device))
        signal = max(level.signal, 1e-4) if prediction_type == "epsilon" else level.signal  # it divides by the signal
        return clean_from(prediction_type, output, noisy, signal, level.sigma)

    return _walk(predict, noise, [*levels, _NO_NOISE], sampler, clip_sample, generators)


def flow_sample(
    velocity: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    *,
    sampler: Sampler,
    num_inference_steps: int,
    time_shift: float = 1.0,
    clip_sample: bool = True,
    generators: Sequence[torch.Generator] | None = None,
) -> Tensor:
    """Return samples, of the shape of ``noise``, by following the flow back from noise in steps of time.

    Args:
        velocity: (noisy (batch, …), times (batch,) in (0, 1]) → noise - clean (Liu et al. 2023, eq. 1).
        noise: ``(batch, …)``, standard normal.
        sampler: walks the levels.
        num_inference_steps: steps; one evaluation each, two with ``heun``.
        time_shift: 1: even steps; more: shorter ones near the noise; see ``flow.shift_times``.
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        generators: one CPU generator per image, for the noise that a sampler adds; None: torch's own.

    Example:
        >>> from gandlf_synth.diffusion.samplers.euler import euler
        >>> towards_half = lambda noisy, times: (noisy - 0.5) / times[:, None]
        >>> flow_sample(towards_half, torch.randn(1, 3), sampler=euler, num_inference_steps=5)
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    even = torch.arange(num_inference_steps, -1, -1, dtype=torch.float64) / num_inference_steps
    times: list[float] = shift_times(even, time_shift).tolist()

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        return noisy - level.time * velocity(noisy, torch.full((len(noisy),), level.time, device=noisy.device))

    levels = [NoiseLevel(time, 1 - time, time) for time in times]
    return _walk(predict, noise, levels, sampler, clip_sample, generators)


def edm_sample(
    denoise: Denoise,
    noise: Tensor,
    sigmas: Sequence[float],
    *,
    sampler: Sampler,
    clip_sample: bool = True,
    generators: Sequence[torch.Generator] | None = None,
) -> Tensor:
    """Return samples, of the shape of ``noise``, of a denoiser of ``clean + sigma · noise``.

    With ``heun`` this is the deterministic sampler of Karras et al. 2022, algorithm 1.

    Args:
        denoise: (noisy (batch, …), sigma (batch,)) → the predicted clean image.
        noise: ``(batch, …)``, standard normal.
        sigmas: where each step starts, falling; see ``edm.sampling_sigmas``.
        sampler: walks the levels.
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        generators: one CPU generator per image, for the noise that a sampler adds; None: torch's own.

    Example:
        >>> from gandlf_synth.diffusion.samplers.heun import heun
        >>> always_half = lambda noisy, sigma: torch.full_like(noisy, 0.5)
        >>> edm_sample(always_half, torch.randn(1, 3), [80.0, 1.0, 0.002], sampler=heun)
        tensor([[0.5000, 0.5000, 0.5000]])
    """

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        return denoise(noisy, torch.full((len(noisy),), level.sigma, dtype=noisy.dtype, device=noisy.device))

    levels = [*(NoiseLevel(sigma, 1.0, sigma) for sigma in sigmas), NoiseLevel(0.0, 1.0, 0.0)]
    return _walk(predict, sigmas[0] * noise, levels, sampler, clip_sample, generators)


def _walk(
    predict: Predict,
    noise: Tensor,
    levels: Sequence[NoiseLevel],
    sampler: Sampler,
    clip_sample: bool,
    generators: Sequence[torch.Generator] | None,
) -> Tensor:
    """Return what ``sampler`` makes of ``noise`` on its way down ``levels``."""
    places = {level: place for place, level in enumerate(levels)}

    def predict_in_range(noisy: Tensor, level: NoiseLevel) -> Tensor:
        tell_share(places.get(level, 0) / len(levels))
        clean = predict(noisy, level)
        return clean.clamp(-1, 1) if clip_sample else clean

    def fresh_noise() -> Tensor:
        if generators is None:
            return torch.randn_like(noise)
        drawn = torch.empty(noise.shape, pin_memory=noise.is_cuda)  # the GPU goes on while it comes
        for image, rng in zip(drawn, generators, strict=True):
            torch.randn(image.shape, generator=rng, out=image)
        return drawn.to(noise.device, noise.dtype, non_blocking=True)

    return sampler(predict_in_range, noise, list(itertools.pairwise(levels)), fresh_noise)
