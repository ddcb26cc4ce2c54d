"""Straight paths between data and noise, and the flow back (Lipman et al. 2023, arXiv 2210.02747)."""

from torch import Tensor

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.diffusion.flow import logit_normal_or_uniform, minibatch_ot
from gandlf_synth.diffusion.sampling import flow_sample
from gandlf_synth.models.components.denoising import DenoisingProcess, SamplingChoice, SamplingTask, spread_evenly
from gandlf_synth.models.components.diffusion_config import FlowSettings

_TIME_SCALE = 1000  # the network's time embedding resolves steps of one


class FlowProcess(DenoisingProcess[FlowSettings]):
    """A velocity field trained on straight paths between data and noise, and the flow that samples with it.

    Args:
        settings: times, guidance and sampler.
        criterion: the loss, one value per element.
        spatial_dims: 2 or 3.
        channels: of what is noised.
        parts: what the images are conditioned on.
    """

    kind = "flow"

    def noise_for(self, clean: Tensor) -> Tensor:
        """Return the noise that ``clean`` is trained with: the nearest of the batch's where that is asked for."""
        noise = super().noise_for(clean)
        return minibatch_ot(noise, clean) if self.settings.optimal_transport else noise

    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the error of the velocity (Lipman et al. 2023, eq. 23); see ``DenoisingProcess.loss``."""
        times = spread_evenly(start, len(clean))
        if self.settings.time_distribution == "logit_normal":
            times = logit_normal_or_uniform(times)
        share = times.to(clean).view(-1, *(1,) * (clean.ndim - 1))
        noisy = (1 - share) * clean + share * noise
        velocity = self.denoiser(noisy, _TIME_SCALE * times, **condition.inputs())
        return self.criterion(velocity, noise - clean).mean()  # type: ignore[no-any-return]

    def sampling_defaults(self, options: SamplingOptions) -> SamplingChoice:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        scale = options.guidance_scale
        return {
            "sampler": options.sampler or self.settings.sampler,
            "num_inference_steps": options.num_inference_steps or self.settings.num_inference_steps,
            "guidance_scale": self.settings.guidance_scale if scale is None else scale,
        }

    def sample(self, task: SamplingTask) -> Tensor:
        """Return what lies at the other end of the flow from the noise of ``task``."""
        choice = self.sampling_defaults(task.options)
        velocity = self.guided(task, choice["guidance_scale"])
        return flow_sample(
            lambda noisy, times: velocity(noisy, _TIME_SCALE * times),
            task.noise,
            sampler=self.sampler(task, choice),
            num_inference_steps=choice["num_inference_steps"],
            clip_sample=self.settings.clip_sample,
            generators=task.generators,
        )
