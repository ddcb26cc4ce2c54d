"""Diffusion: noise schedules, training objectives, samplers, guidance. Tensors in, tensors out."""

from gandlf_synth.diffusion.guidance import guided
from gandlf_synth.diffusion.objective import PredictionType, clean_from, min_snr_weight, target_for
from gandlf_synth.diffusion.samplers import SAMPLERS, Denoise, SamplerName, inference_timesteps, sample
from gandlf_synth.diffusion.schedules import BetaSchedule, NoiseSchedule, noise_schedule

__all__ = [
    "SAMPLERS",
    "BetaSchedule",
    "Denoise",
    "NoiseSchedule",
    "PredictionType",
    "SamplerName",
    "clean_from",
    "guided",
    "inference_timesteps",
    "min_snr_weight",
    "noise_schedule",
    "sample",
    "target_for",
]
