"""Noise schedules, parametrisations, loss weights and guidance against their definitions."""

import pytest
import torch

from gandlf_synth import registry
from gandlf_synth.diffusion.guidance import classifier_free_guidance
from gandlf_synth.diffusion.objective import clean_from, min_snr_weight, target_for
from gandlf_synth.diffusion.schedules import noise_schedule

SCHEDULES = registry.names("noise_schedules")


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_signal_falls_and_betas_are_variances(name: str, steps: int, zero_terminal_snr: bool) -> None:
    schedule = noise_schedule(name, steps, zero_terminal_snr=zero_terminal_snr)

    alphas = schedule.alphas_cumprod
    assert len(alphas) == steps
    assert bool((schedule.betas >= 0).all())
    assert bool((schedule.betas <= 1).all())
    assert bool((alphas.diff() < 0).all())
    if zero_terminal_snr:
        assert alphas[-1].item() == pytest.approx(0, abs=1e-12)
    else:
        assert alphas[-1].item() > 0


def test_linear_schedule_is_that_of_the_paper() -> None:
    betas = noise_schedule("linear", 1000).betas

    assert betas[0].item() == pytest.approx(1e-4)
    assert betas[-1].item() == pytest.approx(0.02)
    assert noise_schedule("linear", 1000).alphas_cumprod[-1].item() == pytest.approx(4.036e-5, rel=1e-3)


def test_noisy_images_keep_unit_variance() -> None:
    schedule = noise_schedule("cosine", 100, zero_terminal_snr=True)
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(100, 5000, generator=rng), torch.randn(100, 5000, generator=rng)

    noisy = schedule.add_noise(clean, noise, torch.arange(100))

    assert noisy.var(dim=1).mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_every_parametrisation_gives_back_the_clean_image(prediction_type: str) -> None:
    schedule = noise_schedule("cosine", 50)
    rng = torch.Generator().manual_seed(0)
    clean = torch.randn(50, 3, 8, dtype=torch.float64, generator=rng)
    noise = torch.randn(50, 3, 8, dtype=torch.float64, generator=rng)
    signal, sigma = schedule.levels(torch.arange(50), clean)

    output = target_for(prediction_type, clean, noise, signal, sigma)

    assert torch.allclose(clean_from(prediction_type, output, signal * clean + sigma * noise, signal, sigma), clean)


def test_min_snr_weights_agree_between_parametrisations() -> None:
    signal = torch.linspace(0.05, 0.99, 20, dtype=torch.float64)
    sigma = (1 - signal**2).sqrt()
    error_of_clean = torch.rand(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    snr = (signal / sigma) ** 2

    by_clean = min_snr_weight("sample", signal, sigma, 5.0) * error_of_clean
    by_noise = min_snr_weight("epsilon", signal, sigma, 5.0) * error_of_clean * snr
    by_v = min_snr_weight("v_prediction", signal, sigma, 5.0) * error_of_clean * (snr + 1)

    assert torch.allclose(by_clean, by_noise)
    assert torch.allclose(by_clean, by_v)
    assert torch.allclose(by_clean, snr.clamp(max=5.0) * error_of_clean)


@pytest.mark.parametrize(("scale", "evaluations"), [(1.0, 2), (0.0, 2), (3.0, 4)])
def test_guidance_extrapolates_from_the_unconditional_output(scale: float, evaluations: int) -> None:
    evaluated = []

    def denoiser(noisy: torch.Tensor, timesteps: torch.Tensor, class_labels: torch.Tensor) -> torch.Tensor:
        evaluated.extend(class_labels.tolist())
        return class_labels.float()[:, None].expand_as(noisy)

    known, unknown = {"class_labels": torch.tensor([1, 2])}, {"class_labels": torch.tensor([9, 9])}
    output = classifier_free_guidance(denoiser, known, unknown, scale)(torch.zeros(2, 1), torch.zeros(2))

    conditional, unconditional = torch.tensor([[1.0], [2.0]]), torch.full((2, 1), 9.0)
    assert torch.allclose(output, unconditional + scale * (conditional - unconditional))
    assert len(evaluated) == evaluations


def labelled(noisy: torch.Tensor, timesteps: torch.Tensor, class_labels: torch.Tensor) -> torch.Tensor:
    return class_labels.double()[:, None] * noisy


KNOWN = {"class_labels": torch.tensor([1, 2])}
UNKNOWN = {"class_labels": torch.tensor([0, 0])}


def test_guidance_rests_outside_its_interval() -> None:
    noisy = torch.randn(2, 5, dtype=torch.float64)

    resting = classifier_free_guidance(labelled, KNOWN, UNKNOWN, 3.0, active=lambda _: False)(noisy, torch.zeros(2))

    assert torch.equal(resting, labelled(noisy, torch.zeros(2), **KNOWN))


def test_rescaled_guidance_keeps_the_spread_of_the_conditional_output() -> None:
    noisy = torch.randn(2, 5, dtype=torch.float64)

    rescaled = classifier_free_guidance(labelled, KNOWN, UNKNOWN, 3.0, rescale=1.0)(noisy, torch.zeros(2))

    assert torch.allclose(rescaled.std(dim=1), labelled(noisy, torch.zeros(2), **KNOWN).std(dim=1))
