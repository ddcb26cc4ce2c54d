"""Diffusion: noise schedules, training objectives, samplers, guidance. Tensors in, tensors out."""

from gandlf_synth.diffusion.flow import FLOW_SAMPLERS, FlowSamplerName, flow_sample, logit_normal, paired
from gandlf_synth.diffusion.guidance import guided
from gandlf_synth.diffusion.objective import PredictionType, clean_from, min_snr_weight, target_for
from gandlf_synth.diffusion.samplers import SAMPLERS, Denoise, SamplerName, inference_timesteps, sample
from gandlf_synth.diffusion.schedules import BetaSchedule, NoiseSchedule, noise_schedule

__all__ = [
    "FLOW_SAMPLERS",
    "SAMPLERS",
    "BetaSchedule",
    "Denoise",
    "FlowSamplerName",
    "NoiseSchedule",
    "PredictionType",
    "SamplerName",
    "clean_from",
    "flow_sample",
    "guided",
    "inference_timesteps",
    "logit_normal",
    "min_snr_weight",
    "noise_schedule",
    "paired",
    "sample",
    "target_for",
]
