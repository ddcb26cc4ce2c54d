"""Straight paths between data and noise, and the flow back (Lipman et al. 2023, arXiv 2210.02747)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.diffusion.flow import logit_normal_or_uniform, minibatch_ot, shift_times
from gandlf_synth.diffusion.sampling import flow_sample
from gandlf_synth.errors import ConfigError, Problem
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
        controlled: whether the denoiser is a finished one with a branch.
    """

    kind = "flow"

    def __init__(
        self,
        settings: FlowSettings,
        criterion: nn.Module,
        spatial_dims: int,
        channels: int,
        parts: Sequence[ConditionPart] = (),
        *,
        controlled: bool = False,
    ) -> None:
        super().__init__(settings, criterion, spatial_dims, channels, parts, controlled=controlled)
        self._source = next((part for part in parts if part.conditioner == "image"), None)
        if settings.start == "source" and self._source is None:
            what = "is source, and the model is made from no images"
            raise ConfigError(Problem("model_config.start", what, fix="add image to conditioning, or leave start out"))

    def start_from(self, noise: Tensor, condition: Condition) -> Tensor:
        """Return where the flow to the images starts: ``noise``, or what they are made from with a little of it."""
        if self.settings.start == "noise" or self._source is None:
            return noise
        if self._source.name not in condition:
            return self.settings.start_noise * noise
        sources = mean_source(condition[self._source.name], self._source.images, noise.shape[1])
        return sources.to(noise) + self.settings.start_noise * noise

    def noise_for(self, clean: Tensor) -> Tensor:
        """Return the noise that ``clean`` is trained with: the nearest of the batch's where that is asked for."""
        noise = super().noise_for(clean)
        return minibatch_ot(noise, clean) if self.settings.optimal_transport else noise

    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the error of the velocity (Lipman et al. 2023, eq. 23); see ``DenoisingProcess.loss``."""
        noise = self.start_from(noise, condition)
        times = spread_evenly(start, len(clean))
        if self.settings.time_distribution == "logit_normal":
            times = logit_normal_or_uniform(times)
        times = shift_times(times, self.settings.time_shift)
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
        if task.known is not None and self.settings.start == "source":
            what = "needs a flow that starts in noise, and this model starts from its sources"
            raise ConfigError(Problem("inpainting", what, fix="condition a model on region"))
        velocity = self.guided(task, choice["guidance_scale"])
        return flow_sample(
            lambda noisy, times: velocity(noisy, _TIME_SCALE * times),
            self.start_from(task.noise, task.condition),
            sampler=self.sampler(task, choice),
            num_inference_steps=choice["num_inference_steps"],
            time_shift=self.settings.time_shift,
            clip_sample=self.settings.clip_sample,
            generators=task.generators,
        )


def mean_source(part: Tensor, images: Sequence[int], channels: int) -> Tensor:
    """Return the mean of the images that there are, ``(batch, channels, *shape)``; 0 where there is none.

    Args:
        part: what ``ImageSource`` paints: images, a flag for each of several, the flag of all.
        images: how many channels each image has.
        channels: of what is made; an image of another number of channels counts by the mean of its own.

    Example:
        >>> import torch
        >>> sources = torch.tensor([[[[3.0]], [[5.0]], [[1.0]], [[1.0]], [[1.0]]]])
        >>> mean_source(sources, (1, 1), 1).item()
        4.0
    """
    flags = part[:, sum(images) : sum(images) + len(images)]
    total = part.new_zeros(len(part), channels, *part.shape[2:])
    for number, image in enumerate(torch.split(part[:, : sum(images)], list(images), 1)):
        same = image if image.shape[1] == channels else image.mean(1, keepdim=True)
        total = total + flags[:, number : number + 1] * same
    return total / flags.sum(1, keepdim=True).clamp(min=1)
