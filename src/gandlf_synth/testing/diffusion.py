"""The conformance kit of samplers and noise schedules, on data for which the best denoiser is known in closed form.

The data is Gaussian, so that the exact way from noise to images is known too (the probability-flow ODE, Song et al.
2021, arXiv 2011.13456, eq. 13): every image keeps its quantile.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.samplers.base import NoiseLevel, ProcessKind, Sampler, serves
from gandlf_synth.diffusion.schedules import BetaSchedule, noise_schedule
from gandlf_synth.testing.promises import Promises, seen_unless

_MEAN, _STD = 0.7, 0.3
_PROCESSES: tuple[ProcessKind, ...] = ("diffusion", "flow")
_STEPS = (1, 2, 7, 30)
_LENGTHS = (1, 10, 250, 1000)
_ROUNDING = 1e-6


def check_sampler(name: str, *, order: int = 1) -> None:
    """Check a registered sampler on every kind of path that it serves.

    Args:
        name: the registered name.
        order: how fast the error of a deterministic sampler falls with the number of steps; 1 is Euler's method.

    Raises:
        PluginError: every promise that the sampler breaks.

    Example:
        >>> check_sampler("heun", order=2)
    """
    sampler: Sampler = registry.load("samplers", name)
    promises = Promises(f"samplers.{name}")
    for process in filter(partial(serves, sampler), _PROCESSES):
        at = f"on the paths of {process}"
        promises.add(f"{at}, a sure prediction is what comes out, for any number of steps", _ends, sampler, process)
        promises.add(f"{at}, many steps give the mean and the spread of the data", _spread, sampler, process)
        promises.add(f"{at}, the error falls with order {order}", _order, sampler, process, order)
        promises.add(f"{at}, the same noise gives the same images", _repeatable, sampler, process)
        promises.add(f"{at}, an image does not depend on the others of its batch", _alone, sampler, process)
    promises.check()


def check_noise_schedule(name: str) -> None:
    """Check a registered noise schedule.

    Args:
        name: the registered name.

    Raises:
        PluginError: every promise that the schedule breaks.

    Example:
        >>> check_noise_schedule("cosine")
    """
    schedule: BetaSchedule = registry.load("noise_schedules", name)
    promises = Promises(f"noise_schedules.{name}")
    promises.add("it returns one beta from 0 to below 1 for every timestep", _valid_betas, schedule)
    promises.add("the same number of timesteps gives the same betas", _same_betas, schedule)
    promises.add("the first step leaves most of the image, the last next to nothing", _from_image_to_noise, schedule)
    promises.add("it can end in pure noise", _zero_terminal_snr, name)
    promises.check()


def _levels(process: ProcessKind, steps: int, last: float = 0.0) -> list[NoiseLevel]:
    """Return noise levels from pure noise down to the share ``last``."""
    shares = torch.linspace(1, last, steps + 1, dtype=torch.float64).tolist()
    if process == "flow":
        return [NoiseLevel(share, 1 - share, share) for share in shares]
    angles = [share * math.pi / 2 for share in shares]
    return [NoiseLevel(1000 * angle, _cosine(angle), math.sin(angle)) for angle in angles]


def _cosine(angle: float) -> float:
    return 0.0 if angle == math.pi / 2 else math.cos(angle)


def _predict(noisy: Tensor, level: NoiseLevel, *, mean: float = _MEAN, std: float = _STD) -> Tensor:
    """Return E[clean | noisy] of Gaussian data."""
    gain = level.signal * std**2 / (level.signal**2 * std**2 + level.sigma**2)
    return mean + gain * (noisy - level.signal * mean)


def _noise(count: int) -> Tensor:
    return torch.randn(count, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _fresh(noise: Tensor) -> Callable[[], Tensor]:
    rng = torch.Generator().manual_seed(1)
    return lambda: torch.randn(noise.shape, dtype=noise.dtype, generator=rng)


def _draw(sampler: Sampler, process: ProcessKind, noise: Tensor, steps: int) -> Tensor:
    return sampler(_predict, noise, list(pairwise(_levels(process, steps))), _fresh(noise))


def _ends(sampler: Sampler, process: ProcessKind) -> str:
    noise = _noise(5)
    sure = partial(_predict, std=0.0)
    for steps in _STEPS:
        images = sampler(sure, noise.clone(), list(pairwise(_levels(process, steps))), _fresh(noise))
        if images.shape != noise.shape or float((images - _MEAN).abs().max()) > _ROUNDING:
            return seen_unless(False, f"{images.flatten()[0]:.4g} for {_MEAN} in {steps} steps")
    return ""


def _spread(sampler: Sampler, process: ProcessKind) -> str:
    images = _draw(sampler, process, _noise(4000), 250)
    mean, std = float(images.mean()), float(images.std())
    kept = abs(mean - _MEAN) < 0.05 * _STD and abs(std / _STD - 1) < 0.05
    return seen_unless(kept, f"mean {mean:.3f} and spread {std:.3f} for {_MEAN} and {_STD}")


def _order(sampler: Sampler, process: ProcessKind, order: int) -> str:
    """Measure the order between two numbers of steps, away from pure noise and from none, where samplers differ."""
    if _adds_noise(sampler, process):
        return ""
    coarse, fine = (_error(sampler, process, steps) for steps in (64, 128))
    if fine < _ROUNDING**2:
        return ""
    found = math.log2(coarse / fine)
    return seen_unless(found > order - 0.25, f"order {found:.2f}")


def _adds_noise(sampler: Sampler, process: ProcessKind) -> bool:
    draws: list[int] = []
    noise = _noise(2)

    def fresh() -> Tensor:
        draws.append(1)
        return torch.zeros_like(noise)

    sampler(_predict, noise, list(pairwise(_levels(process, 3))), fresh)
    return bool(draws)


def _error(sampler: Sampler, process: ProcessKind, steps: int) -> float:
    quantiles = torch.linspace(-2, 2, 41, dtype=torch.float64)

    def exact(level: NoiseLevel) -> Tensor:
        return level.signal * _MEAN + math.hypot(level.signal * _STD, level.sigma) * quantiles

    levels = [level for level in _levels(process, steps + steps // 2, last=0.1) if level.signal > 0.1][-steps - 1 :]
    images = sampler(_predict, exact(levels[0]), list(pairwise(levels)), _fresh(quantiles))
    return float((images - exact(levels[-1])).abs().mean())


def _repeatable(sampler: Sampler, process: ProcessKind) -> str:
    noise = _noise(3)
    before = torch.get_rng_state()
    first, second = (_draw(sampler, process, noise, 6) for _ in range(2))
    if not torch.equal(before, torch.get_rng_state()):
        return seen_unless(False, "another state of torch's own generator")
    if not torch.equal(noise, _noise(3)):
        return seen_unless(False, "changed noise")
    return seen_unless(torch.equal(first, second), "other images")


def _alone(sampler: Sampler, process: ProcessKind) -> str:
    noise = _noise(3)
    fresh = [torch.randn(noise.shape, dtype=noise.dtype, generator=torch.Generator().manual_seed(k)) for k in range(20)]
    transitions = list(pairwise(_levels(process, 6)))
    together = sampler(_predict, noise, transitions, iter(fresh).__next__)
    alone = sampler(_predict, noise[1:2], transitions, iter([draw[1:2] for draw in fresh]).__next__)
    return seen_unless(torch.allclose(together[1:2], alone, atol=_ROUNDING), "another image")


def _valid_betas(schedule: BetaSchedule) -> str:
    for length in _LENGTHS:
        betas = schedule(length)
        kept = betas.shape == (length,) and bool(((betas >= 0) & (betas < 1)).all())
        if not kept:
            return seen_unless(False, f"shape {tuple(betas.shape)} from {betas.min():g} to {betas.max():g}")
    return ""


def _same_betas(schedule: BetaSchedule) -> str:
    return seen_unless(torch.equal(schedule(100), schedule(100)), "other betas")


def _from_image_to_noise(schedule: BetaSchedule) -> str:
    for length in _LENGTHS[1:]:
        shares = torch.cumprod(1 - schedule(length).double(), 0).sqrt()
        if not (shares[0] > 0.9 and shares[-1] < 0.1):
            return seen_unless(False, f"{shares[0]:.1%} of the image first, {shares[-1]:.1%} last, in {length} steps")
    return ""


def _zero_terminal_snr(name: str) -> str:
    last = float(noise_schedule(name, 100, zero_terminal_snr=True).alphas_cumprod[-1])
    return seen_unless(last == 0, f"{last:g} of the image in the last step")
