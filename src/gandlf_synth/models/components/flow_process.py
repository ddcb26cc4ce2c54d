"""Straight paths between data and noise, and the flow back (Lipman et al. 2023, arXiv 2210.02747)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart, network_sizes
from gandlf_synth.diffusion import FLOW_SAMPLERS, classifier_free_guidance, flow_sample, logit_normal, minibatch_ot
from gandlf_synth.models.base import SamplingOptions
from gandlf_synth.models.components.denoising import DenoisingProcess
from gandlf_synth.models.flow_matching.config import FlowSettings
from gandlf_synth.networks.denoiser import Denoiser

_TIME_SCALE = 1000  # the network's time embedding resolves steps of one


class FlowProcess(DenoisingProcess):
    """A velocity field trained on straight paths between data and noise, and the flow that samples with it.

    Args:
        settings: times, guidance and sampler.
        criterion: the loss, one value per element.
        spatial_dims: 2 or 3.
        channels: of what is noised.
        parts: what the images are conditioned on.
    """

    samplers = FLOW_SAMPLERS

    def __init__(
        self,
        settings: FlowSettings,
        criterion: nn.Module,
        spatial_dims: int,
        channels: int,
        parts: Sequence[ConditionPart] = (),
    ) -> None:
        denoiser = Denoiser(settings.architecture, spatial_dims, channels, **network_sizes(parts))
        super().__init__(denoiser, settings, criterion, parts)
        self.settings = settings

    def noise_for(self, clean: Tensor) -> Tensor:
        """Return the noise that ``clean`` is trained with: the nearest of the batch's where that is asked for."""
        noise = super().noise_for(clean)
        return minibatch_ot(noise, clean) if self.settings.optimal_transport else noise

    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the error of the velocity (Lipman et al. 2023, eq. 23); see ``DenoisingProcess.loss``."""
        times = (start + torch.arange(len(clean), device=clean.device) / len(clean)) % 1
        if self.settings.time_distribution == "logit_normal":
            times = logit_normal(times)
        share = times.to(clean).view(-1, *(1,) * (clean.ndim - 1))
        noisy = (1 - share) * clean + share * noise
        velocity = self.denoiser(noisy, _TIME_SCALE * times, **condition.inputs())
        return self.criterion(velocity, noise - clean).mean()  # type: ignore[no-any-return]

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        scale = options.guidance_scale
        return {
            "sampler": options.sampler or self.settings.sampler,
            "num_inference_steps": options.num_inference_steps or self.settings.num_inference_steps,
            "guidance_scale": self.settings.guidance_scale if scale is None else scale,
        }

    def sample(
        self, noise: Tensor, generators: list[torch.Generator], condition: Condition, options: SamplingOptions
    ) -> Tensor:
        """Return what lies at the other end of the flow from ``noise``."""
        chosen = self.sampling_defaults(options)
        field = self.denoiser
        if condition:
            known, unknown = condition.inputs(), condition.hidden().inputs()
            field = classifier_free_guidance(self.denoiser, known, unknown, chosen["guidance_scale"])  # type: ignore[assignment]
        return flow_sample(
            lambda noisy, times: field(noisy, _TIME_SCALE * times),
            noise,
            sampler=chosen["sampler"],
            num_inference_steps=chosen["num_inference_steps"],
            clip_sample=self.settings.clip_sample,
            progress=options.progress,
        )
