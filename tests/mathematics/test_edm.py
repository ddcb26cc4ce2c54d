"""Preconditioned denoising on data for which the best denoiser is known in closed form."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.edm import Preconditioning, log_normal, sampling_sigmas
from gandlf_synth.diffusion.samplers.base import sampler_names
from gandlf_synth.diffusion.sampling import edm_sample

MEAN, STD = 0.7, 0.3
load_sampler = partial(registry.load, "samplers")


def gaussian_denoiser(noisy: Tensor, sigma: Tensor) -> Tensor:
    """E[clean | noisy] of data N(MEAN, STD²)."""
    return MEAN + STD**2 / (STD**2 + sigma[:, None] ** 2) * (noisy - MEAN)


@pytest.mark.parametrize("sigma", [0.002, 0.1, 0.5, 3.0, 80.0])
def test_input_and_target_of_the_network_have_variance_one(sigma: float) -> None:
    rng = torch.Generator().manual_seed(0)
    scales, level = Preconditioning(sigma_data=0.3), torch.tensor(sigma, dtype=torch.float64)
    clean, noise = torch.randn(2, 200_000, dtype=torch.float64, generator=rng)
    clean = 0.3 * clean
    noisy = clean + level * noise

    assert float((scales.input_scale(level) * noisy).std()) == pytest.approx(1, rel=0.01)
    assert float(scales.target(clean, noisy, level).std()) == pytest.approx(1, rel=0.01)


def test_for_gaussian_data_the_best_output_is_zero() -> None:
    """What goes past the network is already the denoiser of Gaussian data (Karras et al. 2022, appendix B.6)."""
    sigma = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    noisy = torch.randn(3, 50, dtype=torch.float64)

    clean = Preconditioning(sigma_data=0.3).clean(torch.zeros_like(noisy), noisy, sigma[:, None])

    assert torch.allclose(clean, 0.3**2 / (0.3**2 + sigma[:, None] ** 2) * noisy)


def test_levels_of_training_are_log_normal() -> None:
    uniform = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000

    logarithms = log_normal(uniform, mean=-1.2, std=1.2).log()

    assert float(logarithms.mean()) == pytest.approx(-1.2, abs=1e-3)
    assert float(logarithms.std()) == pytest.approx(1.2, rel=1e-3)


def test_levels_of_sampling_are_evenly_spaced_in_the_root() -> None:
    roots = [sigma ** (1 / 7) for sigma in sampling_sigmas(18, 0.002, 80.0, 7.0)]
    steps = [before - after for before, after in itertools.pairwise(roots)]

    assert roots[0] == pytest.approx(80 ** (1 / 7))
    assert roots[-1] == pytest.approx(0.002 ** (1 / 7))
    assert steps == pytest.approx([steps[0]] * 17)


@pytest.mark.parametrize("sampler", sampler_names("diffusion"))
def test_samples_have_mean_and_spread_of_the_data(sampler: str) -> None:
    torch.manual_seed(0)
    noise = torch.randn(20_000, 1, dtype=torch.float64)

    samples = edm_sample(
        gaussian_denoiser, noise, sampling_sigmas(250, 0.002, 80.0, 7.0),
        sampler=load_sampler(sampler), clip_sample=False,
    )  # fmt: skip

    assert float(samples.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(samples.std()) == pytest.approx(STD, rel=0.03)


def test_heun_is_algorithm_1_of_the_paper() -> None:
    sigmas = [*sampling_sigmas(10, 0.002, 80.0, 7.0), 0.0]
    noise = torch.randn(50, 1, dtype=torch.float64)

    def slope(noisy: Tensor, sigma: float) -> Tensor:
        return (noisy - gaussian_denoiser(noisy, torch.full((len(noisy),), sigma))) / sigma

    expected = sigmas[0] * noise
    for start, end in itertools.pairwise(sigmas):
        first = slope(expected, start)
        euler = expected + (end - start) * first
        expected = euler if end == 0 else expected + (end - start) * (first + slope(euler, end)) / 2

    samples = edm_sample(gaussian_denoiser, noise, sigmas[:-1], sampler=load_sampler("heun"), clip_sample=False)

    assert torch.allclose(samples, expected, atol=1e-9)
    assert math.isfinite(float(samples.sum()))
