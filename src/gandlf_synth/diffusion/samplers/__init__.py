"""Solvers of the reverse process, one file per paper; each walks down any path ``signal · clean + sigma · noise``."""

from gandlf_synth.diffusion.samplers.ddim import ddim, ddpm
from gandlf_synth.diffusion.samplers.dpm_solver import dpmpp_2m, dpmpp_2m_sde
from gandlf_synth.diffusion.samplers.heun import heun
from gandlf_synth.diffusion.samplers.noise_level import Deterministic, NoiseLevel, Predict, Stochastic, Transitions
from gandlf_synth.diffusion.samplers.unipc import unipc

__all__ = [
    "Deterministic",
    "NoiseLevel",
    "Predict",
    "Stochastic",
    "Transitions",
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "heun",
    "unipc",
]
