"""Noising by a schedule and its reversal (Ho et al. 2020, arXiv 2006.11239)."""

from collections.abc import Sequence

from torch import Tensor, nn

from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.diffusion.objective import PredictionType, min_snr_weight, target_for
from gandlf_synth.diffusion.sampling import sample
from gandlf_synth.diffusion.schedules import noise_schedule
from gandlf_synth.models.components.denoising import DenoisingProcess, SamplingChoice, SamplingTask, spread_evenly
from gandlf_synth.models.components.diffusion_config import DiffusionSettings

_DEFAULT_STEPS = 50


class DiffusionProcess(DenoisingProcess[DiffusionSettings]):
    """A denoiser trained at random noise levels, and the reverse process that samples with it.

    Args:
        settings: schedule, objective, guidance and sampler.
        criterion: the loss, one value per element.
        spatial_dims: 2 or 3.
        channels: of what is noised.
        parts: what the images are conditioned on.
        controlled: whether the denoiser is a finished one with a branch.
    """

    kind = "diffusion"

    def __init__(
        self,
        settings: DiffusionSettings,
        criterion: nn.Module,
        spatial_dims: int,
        channels: int,
        parts: Sequence[ConditionPart] = (),
        *,
        controlled: bool = False,
    ) -> None:
        super().__init__(settings, criterion, spatial_dims, channels, parts, controlled=controlled)
        if settings.prediction_type == "edm":
            raise ValueError("edm has no timesteps; see EDMProcess")
        self.prediction_type: PredictionType = settings.prediction_type
        self.schedule = noise_schedule(
            settings.beta_schedule,
            resolved(settings.architecture).num_train_timesteps,
            zero_terminal_snr=settings.zero_terminal_snr,
        )

    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the mean loss; see ``DenoisingProcess.loss``."""
        timesteps = (spread_evenly(start, len(clean)) * self.schedule.num_timesteps).long()
        signal, sigma = self.schedule.levels(timesteps, clean)
        target = target_for(self.prediction_type, clean, noise, signal, sigma)
        output = self.denoiser(signal * clean + sigma * noise, timesteps, **condition.inputs())
        error = self.criterion(output, target)
        if self.settings.min_snr_gamma is not None:
            error = error * min_snr_weight(self.prediction_type, signal, sigma, self.settings.min_snr_gamma)
        return error.mean()  # type: ignore[no-any-return]

    def sampling_defaults(self, options: SamplingOptions) -> SamplingChoice:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        settings = self.settings
        ancestral_steps = resolved(settings.architecture).num_eval_timesteps
        steps = options.num_inference_steps or settings.num_inference_steps or ancestral_steps or _DEFAULT_STEPS
        scale = settings.guidance_scale if options.guidance_scale is None else options.guidance_scale
        return {
            "sampler": options.sampler or settings.sampler or ("ddpm" if ancestral_steps else "ddim"),
            "num_inference_steps": min(steps, self.schedule.num_timesteps),
            "guidance_scale": scale,
        }

    def sample(self, task: SamplingTask) -> Tensor:
        """Return what the reverse process makes of the noise of ``task``."""
        choice = self.sampling_defaults(task.options)
        denoise = self.guided(
            task, choice["guidance_scale"], active=self._guidance_acts, rescale=self.settings.guidance_rescale
        )
        return sample(
            denoise,
            task.noise,
            self.schedule,
            self.prediction_type,
            sampler=self.sampler(task, choice),
            num_inference_steps=choice["num_inference_steps"],
            clip_sample=self.settings.clip_sample,
            generators=task.generators,
        )

    def _guidance_acts(self, timesteps: Tensor) -> bool:
        if self.settings.guidance_interval is None:
            return True
        alpha = float(self.schedule.alphas_cumprod[int(timesteps[0])])
        low, high = self.settings.guidance_interval
        return alpha > 0 and low < ((1 - alpha) / alpha) ** 0.5 <= high
