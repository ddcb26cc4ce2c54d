"""Solvers of the reverse process, one file per paper; each walks down any path ``signal · clean + sigma · noise``."""

from gandlf_synth.diffusion.solvers.ddim import ddim, ddpm
from gandlf_synth.diffusion.solvers.dpm_solver import dpmpp_2m, dpmpp_2m_sde
from gandlf_synth.diffusion.solvers.heun import heun
from gandlf_synth.diffusion.solvers.level import Deterministic, Level, Predict, Stochastic, Transitions
from gandlf_synth.diffusion.solvers.unipc import unipc

__all__ = [
    "Deterministic",
    "Level",
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
