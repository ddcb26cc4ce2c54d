"""Straight paths and the flow along them, against closed forms."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.flow import logit_normal, logit_normal_or_uniform, minibatch_ot, shift_times
from gandlf_synth.diffusion.samplers.base import sampler_names
from gandlf_synth.diffusion.sampling import flow_sample

MEAN, STD = 0.7, 0.3
load_sampler = partial(registry.load, "samplers")


def velocity(noisy: Tensor, times: Tensor) -> Tensor:
    """E[noise - clean | noisy] for clean ~ N(MEAN, STD²)."""
    time = times.to(noisy).view(-1, 1)
    offset = (noisy - (1 - time) * MEAN) / ((1 - time) ** 2 * STD**2 + time**2)
    return time * offset - (MEAN + (1 - time) * STD**2 * offset)


def error(sampler: str, steps: int) -> float:
    quantiles = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    samples = flow_sample(
        velocity, quantiles, sampler=load_sampler(sampler), num_inference_steps=steps, clip_sample=False
    )
    return (samples - (MEAN + STD * quantiles)).abs().mean().item()


@pytest.mark.parametrize("sampler", sampler_names("flow"))
def test_the_flow_carries_noise_to_the_data(sampler: str) -> None:
    assert error(sampler, 200) < 0.01


@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
def test_error_falls_at_the_order_of_the_solver(sampler: str, order: int) -> None:
    assert math.log2(error(sampler, 64) / error(sampler, 128)) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("sampler", sampler_names("flow"))
def test_a_mixture_keeps_its_modes_and_their_shares(sampler: str) -> None:
    means, stds = torch.tensor([-1.0, 0.8], dtype=torch.float64), torch.tensor([0.1, 0.3], dtype=torch.float64)
    shares = torch.tensor([0.3, 0.7], dtype=torch.float64)
    torch.manual_seed(0)

    def mixture_velocity(noisy: Tensor, times: Tensor) -> Tensor:
        time = times.to(noisy).view(-1, 1)
        variance = (1 - time) ** 2 * stds**2 + time**2
        offset = noisy - (1 - time) * means
        weight = torch.softmax(shares.log() - 0.5 * variance.log() - offset**2 / (2 * variance), dim=1)
        clean = means + (1 - time) * stds**2 / variance * offset
        return (weight * (time / variance * offset - clean)).sum(dim=1, keepdim=True)

    samples = flow_sample(
        mixture_velocity,
        torch.randn(20_000, 1, dtype=torch.float64),
        sampler=load_sampler(sampler),
        num_inference_steps=100,
        clip_sample=False,
    )

    mean = (shares * means).sum().item()
    spread = ((shares * (stds**2 + means**2)).sum() - mean**2).sqrt().item()
    assert (samples < -0.5).double().mean().item() == pytest.approx(0.3, abs=0.02)
    assert samples.mean().item() == pytest.approx(mean, abs=0.04)
    assert samples.std().item() == pytest.approx(spread, rel=0.04)


def test_the_flow_carries_noise_to_the_data_in_shifted_steps() -> None:
    quantiles = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    seen: list[float] = []

    def watched(noisy: Tensor, times: Tensor) -> Tensor:
        seen.append(times[0].item())
        return velocity(noisy, times)

    samples = flow_sample(
        watched, quantiles, sampler=load_sampler("euler"), num_inference_steps=200, time_shift=3.0, clip_sample=False
    )

    assert (samples - (MEAN + STD * quantiles)).abs().mean().item() < 0.01
    assert seen[0] == 1
    assert seen[100] == pytest.approx(0.75)  # halfway, by the formula of the paper


@pytest.mark.parametrize("voxels", [4, 8])
def test_the_mean_of_more_voxels_at_the_shifted_time_is_as_uncertain_as_one_voxel(voxels: int) -> None:
    time = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)

    shifted = shift_times(time, voxels**0.5)

    of_one, of_the_mean = time / (1 - time), shifted / voxels**0.5 / (1 - shifted)
    assert torch.allclose(of_one, of_the_mean)


def test_one_step_along_a_straight_flow_is_exact() -> None:
    noise = torch.randn(5, 1, dtype=torch.float64)

    samples = flow_sample(
        lambda noisy, times: (noisy - MEAN) / times[:, None],
        noise,
        sampler=load_sampler("euler"),
        num_inference_steps=1,
        clip_sample=False,
    )

    assert torch.allclose(samples, torch.full_like(samples, MEAN))


def test_logits_of_the_times_are_standard_normal() -> None:
    logits = torch.logit(logit_normal((torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000))

    assert logits.mean().item() == pytest.approx(0, abs=1e-6)
    assert logits.std().item() == pytest.approx(1, abs=0.01)


def test_pairing_undoes_a_shuffle() -> None:
    clean = torch.arange(6.0)[:, None]

    assert torch.equal(minibatch_ot(clean[[3, 1, 5, 0, 2, 4]] + 0.1, clean), clean + 0.1)


def test_a_tenth_of_the_times_is_uniform() -> None:
    times = logit_normal_or_uniform((torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000)

    early = float((times < 0.01).double().mean())
    assert early == pytest.approx(0.1 * 0.01, rel=0.02)  # next to none of them logit-normal
    assert float(times.mean()) == pytest.approx(0.5, abs=1e-3)
