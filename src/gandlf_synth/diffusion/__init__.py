"""Diffusion: noise schedules, training objectives, samplers, guidance. Tensors in, tensors out."""

from gandlf_synth.diffusion.flow import FLOW_SAMPLERS, FlowSamplerName, flow_sample, logit_normal, minibatch_ot
from gandlf_synth.diffusion.guidance import classifier_free_guidance
from gandlf_synth.diffusion.objective import PredictionType, clean_from, min_snr_weight, target_for
from gandlf_synth.diffusion.sampling import SAMPLERS, Denoise, SamplerName, inference_timesteps, sample
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
    "classifier_free_guidance",
    "clean_from",
    "flow_sample",
    "inference_timesteps",
    "logit_normal",
    "min_snr_weight",
    "minibatch_ot",
    "noise_schedule",
    "sample",
    "target_for",
]
