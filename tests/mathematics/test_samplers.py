"""Samplers on data for which the best denoiser is known in closed form."""

import itertools
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.objective import target_for
from gandlf_synth.diffusion.samplers.base import NoiseLevel, Sampler, sampler_names
from gandlf_synth.diffusion.samplers.ddim import ddim
from gandlf_synth.diffusion.samplers.dpm_solver import dpmpp_2m
from gandlf_synth.diffusion.samplers.heun import heun
from gandlf_synth.diffusion.samplers.unipc import unipc
from gandlf_synth.diffusion.sampling import inference_timesteps, sample
from gandlf_synth.diffusion.schedules import NoiseSchedule, noise_schedule

SAMPLERS = sampler_names("diffusion")
load_sampler = partial(registry.load, "samplers")

MEAN, STD = 0.7, 0.3


def gaussian_denoiser(
    schedule: NoiseSchedule, prediction_type: str, mean: float = MEAN, std: float = STD
) -> Callable[[Tensor, Tensor], Tensor]:
    """The optimal denoiser of N(mean, std²): E[clean | noisy], in the parametrisation asked for."""

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        signal, sigma = schedule.levels(timesteps, noisy)
        gain = signal * std**2 / (signal**2 * std**2 + sigma**2)
        clean = mean + gain * (noisy - signal * mean)
        noise = (noisy - signal * clean) / sigma
        return target_for(prediction_type, clean, noise, signal, sigma)

    return denoise


def draw(sampler: str, steps: int, prediction_type: str, schedule: NoiseSchedule, noise: Tensor) -> Tensor:
    denoise = gaussian_denoiser(schedule, prediction_type)
    return sample(
        denoise,
        noise,
        schedule,
        prediction_type,
        sampler=load_sampler(sampler),
        num_inference_steps=steps,
        clip_sample=False,
    )


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_steps_return_mean_and_spread_of_the_data(sampler: str, prediction_type: str) -> None:
    schedule = noise_schedule("cosine", 250, zero_terminal_snr=prediction_type != "epsilon")
    torch.manual_seed(0)
    noise = torch.randn(20_000, 1, dtype=torch.float64)

    samples = draw(sampler, 250, prediction_type, schedule, noise)

    assert samples.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert samples.std().item() == pytest.approx(STD, rel=0.03)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 7, 36, 333])
def test_few_steps_that_do_not_divide_the_schedule_still_end_without_noise(steps: int, sampler: str) -> None:
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    noise = torch.randn(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    point_mass = gaussian_denoiser(schedule, "v_prediction", MEAN, 0.0)

    samples = sample(
        point_mass, noise, schedule, "v_prediction",
        sampler=load_sampler(sampler), num_inference_steps=steps, clip_sample=False,
    )  # fmt: skip

    assert torch.allclose(samples, torch.full_like(samples, MEAN), atol=1e-6)


def no_noise() -> Tensor:
    raise AssertionError("a deterministic sampler drew noise")


@pytest.mark.parametrize(("solver", "order"), [(ddim, 1), (dpmpp_2m, 2), (unipc, 2), (heun, 2)])
def test_error_falls_at_the_order_of_the_solver(solver: Sampler, order: int) -> None:
    quantiles = torch.linspace(-2, 2, 41, dtype=torch.float64)

    def on_trajectory(level: NoiseLevel) -> Tensor:
        """The exact solution of the probability-flow ODE of a Gaussian."""
        return level.signal * MEAN + math.hypot(level.signal * STD, level.sigma) * quantiles

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        gain = level.signal * STD**2 / (level.signal**2 * STD**2 + level.sigma**2)
        return MEAN + gain * (noisy - level.signal * MEAN)

    def error(steps: int) -> float:
        log_snrs = torch.linspace(-3, 3, steps + 1, dtype=torch.float64)
        signals, sigmas = torch.sigmoid(2 * log_snrs).sqrt(), torch.sigmoid(-2 * log_snrs).sqrt()
        levels = [NoiseLevel(0, *pair) for pair in zip(signals.tolist(), sigmas.tolist(), strict=True)]
        end = solver(predict, on_trajectory(levels[0]), list(itertools.pairwise(levels)), no_noise)
        return (end - on_trajectory(levels[-1])).abs().mean().item()

    orders = [math.log2(error(steps) / error(2 * steps)) for steps in (64, 128, 256)]

    assert all(found > order - 0.2 for found in orders), orders


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_mixture_keeps_its_modes_and_their_shares(sampler: str) -> None:
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    means, stds = torch.tensor([-1.0, 0.8], dtype=torch.float64), torch.tensor([0.1, 0.3], dtype=torch.float64)
    shares = torch.tensor([0.3, 0.7], dtype=torch.float64)
    torch.manual_seed(0)
    noise = torch.randn(20_000, 1, dtype=torch.float64)

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        signal, sigma = schedule.levels(timesteps, noisy)
        variance = signal**2 * stds**2 + sigma**2
        offset = noisy - signal * means
        weight = torch.softmax(shares.log() - 0.5 * variance.log() - offset**2 / (2 * variance), dim=1)
        return (weight * (means + signal * stds**2 / variance * offset)).sum(dim=1, keepdim=True)

    samples = sample(
        denoise,
        noise,
        schedule,
        "sample",
        sampler=load_sampler(sampler),
        num_inference_steps=100,
        clip_sample=False,
    )

    left = samples < -0.5
    mean = (shares * means).sum().item()
    spread = ((shares * (stds**2 + means**2)).sum() - mean**2).sqrt().item()
    assert left.double().mean().item() == pytest.approx(0.3, abs=0.02)
    assert samples.mean().item() == pytest.approx(mean, abs=0.04)
    assert samples.std().item() == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_correlated_data_keeps_its_covariance(sampler: str) -> None:
    mean = torch.tensor([0.5, -0.2, 0.1], dtype=torch.float64)
    covariance = torch.tensor([[0.5, 0.3, 0.0], [0.3, 0.4, -0.1], [0.0, -0.1, 0.2]], dtype=torch.float64)
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    torch.manual_seed(0)
    noise = torch.randn(20_000, 3, dtype=torch.float64)

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        signal, sigma = schedule.levels(timesteps[:1], noisy[:1])
        gain = signal * covariance @ torch.linalg.inv(signal**2 * covariance + sigma**2 * torch.eye(3))
        return mean + (noisy - signal * mean) @ gain.T

    samples = sample(
        denoise,
        noise,
        schedule,
        "sample",
        sampler=load_sampler(sampler),
        num_inference_steps=200,
        clip_sample=False,
    )

    assert torch.allclose(samples.mean(0), mean, atol=0.02)
    assert torch.allclose(torch.cov(samples.T), covariance, atol=0.025)


def test_ancestral_sampling_equals_the_diffusers_scheduler() -> None:
    from diffusers.schedulers import DDPMScheduler

    schedule = noise_schedule("linear", 200)
    reference = DDPMScheduler(200, trained_betas=schedule.betas.tolist(), clip_sample=True, timestep_spacing="trailing")
    reference.set_timesteps(50)
    denoise = gaussian_denoiser(schedule, "epsilon")
    noise = torch.randn(3, 1, 4, generator=torch.Generator().manual_seed(5))
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    expected = noise
    for timestep in reference.timesteps:
        output = denoise(expected, torch.full((3,), int(timestep)))
        expected = reference.step(output, timestep, expected, generator=generators).prev_sample

    ours = sample(
        denoise, noise, schedule, "epsilon", sampler=load_sampler("ddpm"), num_inference_steps=50,
        generators=[torch.Generator().manual_seed(seed) for seed in range(3)],
    )  # fmt: skip

    assert torch.allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize(("total", "steps"), [(1000, 50), (1000, 36), (10, 10), (3, 7), (1, 1)])
def test_timesteps_start_at_the_last_and_fall(total: int, steps: int) -> None:
    timesteps = inference_timesteps(total, steps)

    assert timesteps[0] == total - 1
    assert timesteps[-1] >= 0
    assert len(timesteps) == min(steps, total)
    assert all(later < earlier for earlier, later in itertools.pairwise(timesteps))
