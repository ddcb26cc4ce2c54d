"""Samplers on data for which the best denoiser is known in closed form."""

import itertools

import pytest
import torch
from torch import Tensor

from gandlf_synth.diffusion import NoiseSchedule, inference_timesteps, noise_schedule, sample, target_for

MEAN, STD = 0.7, 0.3


def gaussian_denoiser(schedule: NoiseSchedule, prediction_type: str, mean: float = MEAN, std: float = STD):
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
        denoise, noise, schedule, prediction_type, sampler=sampler, num_inference_steps=steps, clip_sample=False
    )


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_all_steps_return_mean_and_spread_of_the_data(sampler: str, prediction_type: str) -> None:
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=prediction_type != "epsilon")
    torch.manual_seed(0)
    noise = torch.randn(20_000, 1, dtype=torch.float64)

    samples = draw(sampler, 1000, prediction_type, schedule, noise)

    assert samples.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert samples.std().item() == pytest.approx(STD, rel=0.03)


@pytest.mark.parametrize("steps", [7, 36, 50, 333])
def test_few_steps_that_do_not_divide_the_schedule_still_end_without_noise(steps: int) -> None:
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    noise = torch.randn(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    point_mass = gaussian_denoiser(schedule, "v_prediction", MEAN, 0.0)

    samples = sample(point_mass, noise, schedule, "v_prediction", num_inference_steps=steps, clip_sample=False)

    assert torch.allclose(samples, torch.full_like(samples, MEAN), atol=1e-6)


def test_ddim_error_falls_at_first_order() -> None:
    schedule = noise_schedule("cosine", 4096, zero_terminal_snr=True)
    noise = torch.randn(500, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = MEAN + STD * noise  # the probability-flow ODE of a Gaussian, from pure noise

    errors = [
        (draw("ddim", steps, "v_prediction", schedule, noise) - exact).abs().mean().item()
        for steps in (32, 64, 128, 256)
    ]

    ratios = [coarse / fine for coarse, fine in itertools.pairwise(errors)]
    assert all(ratio == pytest.approx(2, abs=0.3) for ratio in ratios), ratios


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
        denoise, noise, schedule, "epsilon", sampler="ddpm", num_inference_steps=50,
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
