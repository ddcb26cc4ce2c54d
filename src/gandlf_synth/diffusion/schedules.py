"""How much of an image is noise at each timestep of the forward process.

A schedule is a plain function of the registry group ``noise_schedules``: it takes the number of timesteps and returns
the betas.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.errors import PluginError, Problem

_BETA_START, _BETA_END = 1e-4, 0.02  # Ho et al. 2020, §4, for 1000 timesteps
_MAX_BETA = 0.999  # Nichol & Dhariwal 2021, §3.2


class BetaSchedule(Protocol):
    """A plain function, registered in the group ``noise_schedules``."""

    def __call__(self, num_timesteps: int, /) -> Tensor:
        """Return the betas ``(num_timesteps,)`` in [0, 1], float64: the variance that each step adds."""


@dataclass(frozen=True)
class NoiseSchedule:
    """The forward process ``noisy = signal(t) · clean + sigma(t) · noise`` with ``signal² + sigma² = 1``.

    Args:
        betas: ``(timesteps,)``, float64; the variance added at each step (Ho et al. 2020, eq. 2).
    """

    betas: Tensor
    _tables: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def num_timesteps(self) -> int:
        """The number of steps T."""
        return len(self.betas)

    @property
    def alphas_cumprod(self) -> Tensor:
        """ᾱ of every step, ``(timesteps,)``, float64 (Ho et al. 2020, eq. 4)."""
        return torch.cumprod(1 - self.betas, dim=0)

    def levels(self, timesteps: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``signal`` and ``sigma`` at ``timesteps (batch,)``, shaped to multiply ``like (batch, …)``."""
        signal, sigma = self._table(timesteps.device, like.dtype)
        shape = (-1, *(1,) * (like.ndim - 1))
        return signal[timesteps].view(shape), sigma[timesteps].view(shape)

    def _table(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return ``signal`` and ``sigma`` of all timesteps; computed in 64 bits on the CPU, copied once to a device."""
        if (device, dtype) not in self._tables:
            alphas = self.alphas_cumprod
            self._tables[device, dtype] = (
                alphas.sqrt().to(dtype).to(device),
                (1 - alphas).sqrt().to(dtype).to(device),
            )
        return self._tables[device, dtype]

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return the noisy images at ``timesteps (batch,)`` (Ho et al. 2020, eq. 4)."""
        signal, sigma = self.levels(timesteps, clean)
        return signal * clean + sigma * noise


def noise_schedule(name: str, num_timesteps: int, *, zero_terminal_snr: bool = False) -> NoiseSchedule:
    """Return the schedule that is registered as ``name``, of ``num_timesteps`` steps.

    Args:
        name: such as ``linear``, ``scaled_linear``, ``cosine`` or ``sigmoid``.
        num_timesteps: T.
        zero_terminal_snr: make the last step pure noise (Lin et al. 2024, algorithm 1).

    Raises:
        ConfigError: no schedule has that name.
        PluginError: the schedule returns something else than betas.

    Example:
        >>> schedule = noise_schedule("cosine", 1000, zero_terminal_snr=True)
        >>> schedule.num_timesteps, float(schedule.alphas_cumprod[-1])
        (1000, 0.0)
    """
    schedule: BetaSchedule = registry.load("noise_schedules", name)
    betas = schedule(num_timesteps).double()
    if betas.shape != (num_timesteps,) or not bool(((betas >= 0) & (betas <= 1)).all()):
        what = f"returns betas of shape {tuple(betas.shape)} from {betas.min():g} to {betas.max():g}"
        raise PluginError(Problem(f"noise_schedules.{name}", what, f"shape ({num_timesteps},), values from 0 to 1"))
    return NoiseSchedule(_rescale_to_zero_snr(betas) if zero_terminal_snr else betas)


def linear(num_timesteps: int) -> Tensor:
    """Return betas that grow evenly (Ho et al. 2020, arXiv 2006.11239, §4).

    The total noise is that of the paper's 1000 timesteps, whatever their number.

    Example:
        >>> linear(1000)[[0, -1]].tolist()
        [0.0001, 0.02]
    """
    scale = 1000 / num_timesteps
    betas = torch.linspace(scale * _BETA_START, scale * _BETA_END, num_timesteps, dtype=torch.float64)
    return betas.clamp(max=_MAX_BETA)


def scaled_linear(num_timesteps: int) -> Tensor:
    """Return betas whose square roots grow evenly, as in latent diffusion (Rombach et al. 2022, arXiv 2112.10752).

    The total noise is that of 1000 timesteps, whatever their number.
    """
    scale = 1000 / num_timesteps
    roots = torch.linspace((scale * 8.5e-4) ** 0.5, (scale * 0.012) ** 0.5, num_timesteps, dtype=torch.float64)
    return (roots**2).clamp(max=_MAX_BETA)


def cosine(num_timesteps: int) -> Tensor:
    """Return betas whose ᾱ falls as a squared cosine (Nichol & Dhariwal 2021, arXiv 2102.09672, eq. 17)."""
    time = torch.linspace(0, 1, num_timesteps + 1, dtype=torch.float64)
    return _betas_of(torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2)


def sigmoid(num_timesteps: int) -> Tensor:
    """Return betas whose ᾱ falls as a sigmoid from -3 to 3 (Jabri et al. 2022, arXiv 2212.11972, appendix B)."""
    time = torch.linspace(0, 1, num_timesteps + 1, dtype=torch.float64)
    ends = torch.sigmoid(torch.tensor([3.0, -3.0], dtype=torch.float64))
    return _betas_of((torch.sigmoid(3 - 6 * time) - ends[1]) / (ends[0] - ends[1]))


def _betas_of(alphas_cumprod: Tensor) -> Tensor:
    """Return the betas whose ᾱ runs along ``alphas_cumprod (timesteps + 1,)``, which starts at ᾱ = 1."""
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(0, _MAX_BETA)


def _rescale_to_zero_snr(betas: Tensor) -> Tensor:
    if len(betas) == 1:
        return torch.ones_like(betas)
    signal = torch.cumprod(1 - betas, dim=0).sqrt()
    signal = (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])
    alphas_cumprod = torch.cat([torch.ones(1, dtype=betas.dtype), signal**2])
    return 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]
