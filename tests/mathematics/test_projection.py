"""Inpainting by projection and fused windows, on Gaussian data for which denoiser and conditional are known."""

import itertools
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.edm import sampling_sigmas
from gandlf_synth.diffusion.projection import Known, inpaint
from gandlf_synth.diffusion.samplers.base import NoiseLevel, Predict, Sampler, sampler_names
from gandlf_synth.diffusion.samplers.ddim import ddim, ddpm
from gandlf_synth.diffusion.sampling import Denoise, inference_timesteps, sample
from gandlf_synth.diffusion.schedules import noise_schedule
from gandlf_synth.models.components.first_stage import apply_in_windows
from gandlf_synth.models.components.windowed_denoiser import in_windows

LENGTH, STD = 32, 0.5
REGION = slice(12, 20)
EVERY = [("diffusion", name) for name in sampler_names("diffusion")] + [("flow", n) for n in sampler_names("flow")]


def covariance(length: int = LENGTH) -> Tensor:
    """The covariance of a line of voxels, each correlated with its neighbors, as in images."""
    places = torch.arange(length, dtype=torch.float64)
    return STD**2 * torch.exp(-(places[:, None] - places).abs() / 8)


def gaussian_denoiser(length: int = LENGTH) -> Predict:
    """E[clean | noisy] of such a line."""
    variances, axes = torch.linalg.eigh(covariance(length))

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        gain = level.signal * variances / (level.signal**2 * variances + level.sigma**2)
        return (noisy @ axes * gain) @ axes.T

    return predict


def levels(path: str, steps: int) -> list[NoiseLevel]:
    if path == "flow":
        return [NoiseLevel(1 - step / steps, step / steps, 1 - step / steps) for step in range(steps + 1)]
    if path == "edm":
        return [NoiseLevel(sigma, 1.0, sigma) for sigma in [*sampling_sigmas(steps, 0.002, 80.0, 7.0), 0.0]]
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    signals = [(t, schedule.alphas_cumprod[t].item()) for t in inference_timesteps(1000, steps)]
    return [*(NoiseLevel(t, alpha**0.5, (1 - alpha) ** 0.5) for t, alpha in signals), NoiseLevel(-1, 1.0, 0.0)]


def line(seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.linalg.cholesky(covariance()) @ torch.randn(LENGTH, dtype=torch.float64, generator=rng)


def known_line(count: int, clean: Tensor) -> Known:
    region = torch.zeros(LENGTH, dtype=torch.bool)
    region[REGION] = True
    return Known(clean.expand(count, 1, LENGTH), region.expand(count, 1, LENGTH))


def inpainted(path: str, sampler: str, count: int, *, steps: int, jump_length: int, jump_n_sample: int) -> Tensor:
    """``count`` lines whose middle was made anew, ``(count, LENGTH)``."""
    torch.manual_seed(0)
    walk = levels(path, steps)
    fresh = partial(torch.randn, count, 1, LENGTH, dtype=torch.float64)
    keep = inpaint(
        registry.load("samplers", sampler), known_line(count, line()),
        jump_length=jump_length, jump_n_sample=jump_n_sample,
    )  # fmt: skip
    return keep(gaussian_denoiser(), walk[0].sigma * fresh(), list(itertools.pairwise(walk)), fresh)[:, 0]


def conditional() -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the middle of the line, knowing the rest."""
    whole, inside = covariance(), torch.zeros(LENGTH, dtype=torch.bool)
    inside[REGION] = True
    gain = whole[inside][:, ~inside] @ torch.linalg.inv(whole[~inside][:, ~inside])
    spread = whole[inside][:, inside] - gain @ whole[~inside][:, inside]
    return gain @ line()[~inside], spread.diag().sqrt()


@pytest.mark.parametrize(("path", "sampler"), [("diffusion", "ddpm"), ("edm", "heun"), ("flow", "euler")])
def test_what_is_made_anew_follows_what_is_known(path: str, sampler: str) -> None:
    mean, std = conditional()

    middle = inpainted(path, sampler, 800, steps=40, jump_length=5, jump_n_sample=5)[:, REGION]

    assert (middle.mean(0) - mean).abs().max().item() < 0.45 * STD
    assert torch.allclose(middle.std(0), std, rtol=0.25)


def test_going_stretches_again_brings_the_mean_nearer() -> None:
    mean, _ = conditional()

    def error(times: int) -> float:
        middle = inpainted("diffusion", "ddpm", 200, steps=30, jump_length=1, jump_n_sample=times)[:, REGION]
        return (middle.mean(0) - mean).abs().max().item()

    assert error(30) < 0.8 * error(1)


@pytest.mark.parametrize(("path", "sampler"), EVERY)
def test_what_is_known_stays_to_the_last_bit(path: str, sampler: str) -> None:
    outside = torch.ones(LENGTH, dtype=torch.bool)
    outside[REGION] = False

    made = inpainted(path, sampler, 3, steps=7, jump_length=3, jump_n_sample=2)

    assert torch.equal(made[:, outside], line()[outside].expand(3, -1))
    assert not torch.equal(made[0, REGION], made[1, REGION])


def test_what_was_in_the_region_is_never_read() -> None:
    clean = line()
    clean[REGION] = torch.nan
    walk, fresh = list(itertools.pairwise(levels("diffusion", 10))), partial(torch.zeros, 1, 1, LENGTH)

    made = inpaint(ddim, known_line(1, clean), jump_length=2, jump_n_sample=2)(
        gaussian_denoiser(), fresh(), walk, fresh
    )

    assert made.isfinite().all()


LONG, WINDOW, LINES = 88, 32, 2000


def window_starts(overlap: float) -> Sequence[int]:
    step = round(WINDOW * (1 - overlap))
    return [*range(0, LONG - WINDOW, step), LONG - WINDOW]


def border_ratio(lines: Tensor, borders: Sequence[int]) -> float:
    """The variance of the step from voxel to voxel at the borders of windows, compared with elsewhere."""
    variance = lines.diff(dim=-1).var(0)
    at_border = torch.zeros(len(variance), dtype=torch.bool)
    at_border[[border - 1 for border in borders]] = True
    return (variance[at_border].mean() / variance[~at_border].mean()).item()


@pytest.mark.parametrize("overlap", [0.25, 0.5])
@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_fused_windows_have_no_seams(sampler: Sampler, overlap: float) -> None:
    schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
    exact = gaussian_denoiser(WINDOW)

    def denoise(noisy: Tensor, timesteps: Tensor) -> Tensor:
        signal, sigma = schedule.levels(timesteps, noisy)
        return exact(noisy, NoiseLevel(0, signal.item(), sigma.item()))

    def draw(denoiser: Denoise, noise: Tensor) -> Tensor:
        return sample(
            denoiser, noise, schedule, "sample", sampler=sampler, num_inference_steps=20, clip_sample=False
        )  # fmt: skip

    torch.manual_seed(0)
    noise = torch.randn(1, LINES, LONG, dtype=torch.float64)
    starts = window_starts(overlap)
    borders = [place for start in starts for place in (start, start + WINDOW) if 0 < place < LONG]

    fused = draw(in_windows(denoise, (WINDOW,), overlap), noise)[0]
    apart = apply_in_windows(lambda window: draw(denoise, torch.randn_like(window)), noise, (WINDOW,), 0.0)[0]

    assert 0.95 < border_ratio(fused, borders) < 1.05
    assert border_ratio(apart, [WINDOW]) > 2
