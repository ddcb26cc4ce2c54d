"""Preconditioned denoising and Heun's way back (Karras et al. 2022, arXiv 2206.00364)."""

from torch import Tensor

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.diffusion.edm import Preconditioning, log_normal, noise_conditioning, sampling_sigmas
from gandlf_synth.diffusion.sampling import edm_sample
from gandlf_synth.models.components.denoising import DenoisingProcess, SamplingChoice, SamplingTask, spread_evenly
from gandlf_synth.models.components.diffusion_config import DiffusionSettings

_DEFAULT_STEPS = 18
_TIME_SCALE = 1000  # the network's time embedding resolves steps of one


class EDMProcess(DenoisingProcess[DiffusionSettings]):
    """A denoiser whose input and target have variance 1 at every noise level, and the reverse process.

    Args:
        settings: noise levels, guidance and sampler.
        criterion: the loss, one value per element.
        spatial_dims: 2 or 3.
        channels: of what is noised.
        parts: what the images are conditioned on.
        controlled: whether the denoiser is a finished one with a branch.
    """

    kind = "diffusion"

    @property
    def scales(self) -> Preconditioning:
        """How the network is wrapped, by the standard deviation of what is noised."""
        return Preconditioning(self.settings.edm.sigma_data or self.settings.usual_sigma)

    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the mean loss (Karras et al. 2022, eq. 8); see ``DenoisingProcess.loss``."""
        sigmas = log_normal(spread_evenly(start, len(clean)), self.settings.edm.p_mean, self.settings.edm.p_std)
        sigma = sigmas.to(clean).view(-1, *(1,) * (clean.ndim - 1))
        noisy = clean + sigma * noise
        output = self.denoiser(self.scales.input_scale(sigma) * noisy, _times(sigmas), **condition.inputs())
        return self.criterion(output, self.scales.target(clean, noisy, sigma)).mean()  # type: ignore[no-any-return]

    def sampling_defaults(self, options: SamplingOptions) -> SamplingChoice:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        settings = self.settings
        scale = settings.guidance_scale if options.guidance_scale is None else options.guidance_scale
        return {
            "sampler": options.sampler or settings.sampler or "heun",
            "num_inference_steps": options.num_inference_steps or settings.num_inference_steps or _DEFAULT_STEPS,
            "guidance_scale": scale,
        }

    def sample(self, task: SamplingTask) -> Tensor:
        """Return what the reverse process makes of the noise of ``task``."""
        choice, levels = self.sampling_defaults(task.options), self.settings.edm
        interval, rescale = self.settings.guidance_interval, self.settings.guidance_rescale

        def denoise(noisy: Tensor, sigmas: Tensor) -> Tensor:
            sigma = sigmas.view(-1, *(1,) * (noisy.ndim - 1))
            acts = interval is None or interval[0] < float(sigmas[0]) <= interval[1]
            guided = self.guided(task, choice["guidance_scale"] if acts else 1.0, rescale=rescale)
            return self.scales.clean(guided(self.scales.input_scale(sigma) * noisy, _times(sigmas)), noisy, sigma)

        return edm_sample(
            denoise,
            task.noise,
            sampling_sigmas(choice["num_inference_steps"], levels.sigma_min, levels.sigma_max, levels.rho),
            sampler=self.sampler(task, choice),
            clip_sample=self.settings.clip_sample,
            generators=task.generators,
        )


def _times(sigmas: Tensor) -> Tensor:
    return _TIME_SCALE * noise_conditioning(sigmas)
