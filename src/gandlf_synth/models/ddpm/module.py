"""Training and sampling of ``ddpm`` (Ho et al. 2020, arXiv 2006.11239)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.data.dataset import Batch
from gandlf_synth.data.spec import DataSpec
from gandlf_synth.diffusion import SAMPLERS, SamplerName, guided, min_snr_weight, noise_schedule, sample, target_for
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.models.base import ExportedNetwork, GenerativeModule, SamplingOptions, noise_from
from gandlf_synth.models.ddpm.config import DDPMConfig
from gandlf_synth.models.denoiser import Denoiser
from gandlf_synth.provenance import fold_seed

_DEFAULT_STEPS = 50


@dataclass(frozen=True)
class _Sampling:
    sampler: SamplerName
    num_inference_steps: int
    guidance_scale: float


class DDPM(GenerativeModule[DDPMConfig]):
    """A denoiser trained at random noise levels, and the reverse process that samples with it."""

    def __init__(self, config: DDPMConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        architecture = config.architecture
        self.schedule = noise_schedule(
            config.beta_schedule, architecture.num_train_timesteps, zero_terminal_snr=config.zero_terminal_snr
        )
        self.denoiser = Denoiser(architecture, spec.spatial_dims, spec.num_channels, spec.num_classes)
        self.loss = self.build_loss()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss at random noise levels; classes are hidden at random, for guidance."""
        labels = self._labels(batch)
        if labels is not None:
            hidden = torch.rand(len(labels), device=labels.device) < self.config.label_dropout_fraction
            labels = torch.where(hidden, self.denoiser.null_label, labels)
        clean = batch["image"]
        loss = self._loss(clean, torch.randn_like(clean), torch.rand((), device=clean.device), labels)
        self.log_loss("train", loss, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss at noise that is the same in every epoch, so that epochs can be compared."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self._evaluate("test", batch, batch_idx)

    def _evaluate(self, phase: str, batch: Batch, batch_idx: int) -> None:
        rng = torch.Generator().manual_seed(fold_seed(0, batch_idx, self.global_rank))
        clean = batch["image"]
        noise = torch.randn(clean.shape, generator=rng).to(clean)
        loss = self._loss(clean, noise, torch.rand((), generator=rng).to(clean.device), self._labels(batch))
        self.log_loss(phase, loss, batch)

    def _labels(self, batch: Batch) -> Tensor | None:
        return batch["label"] if self.spec.num_classes else None

    def _loss(self, clean: Tensor, noise: Tensor, start: Tensor, labels: Tensor | None) -> Tensor:
        """Return the mean loss at timesteps that are spread evenly over the batch from a random ``start`` in [0, 1).

        Even spreading lowers the variance of the gradient (Kingma et al. 2021, appendix I.1).
        """
        spread = (start + torch.arange(len(clean), device=clean.device) / len(clean)) % 1
        timesteps = (spread * self.schedule.num_timesteps).long()
        signal, sigma = self.schedule.levels(timesteps, clean)
        prediction_type = self.config.prediction_type
        target = target_for(prediction_type, clean, noise, signal, sigma)
        error = self.loss(self.denoiser(signal * clean + sigma * noise, timesteps, labels), target)
        if self.config.min_snr_gamma is not None:
            error = error * min_snr_weight(prediction_type, signal, sigma, self.config.min_snr_gamma)
        return error.mean()  # type: ignore[no-any-return]

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the denoiser."""
        return {"denoiser": self.denoiser.exported(self.spec.shape)}

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        return asdict(self._sampling(options))

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse an unknown sampler and guidance without classes."""
        if options.sampler is not None and options.sampler not in SAMPLERS:
            hint = did_you_mean(options.sampler, SAMPLERS)
            raise ConfigError(Problem("sampler", f"unknown name {options.sampler!r}", listing(SAMPLERS), hint))
        if options.guidance_scale not in (None, 1) and not self.spec.num_classes:
            what = f"guidance_scale {options.guidance_scale} needs classes, and this model was trained without"
            raise ConfigError(Problem("guidance_scale", what, fix="leave it out"))

    def _sampling(self, options: SamplingOptions) -> _Sampling:
        ancestral_steps = self.config.architecture.num_eval_timesteps
        sampler = options.sampler or self.config.sampler or ("ddpm" if ancestral_steps else "ddim")
        steps = options.num_inference_steps or self.config.num_inference_steps or ancestral_steps or _DEFAULT_STEPS
        scale = self.config.guidance_scale if options.guidance_scale is None else options.guidance_scale
        return _Sampling(sampler, min(steps, self.schedule.num_timesteps), scale)  # type: ignore[arg-type]

    def sample(self, seeds: Sequence[int], labels: Tensor | None, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        chosen = self._sampling(options)
        noise, generators = noise_from(seeds, (self.spec.num_channels, *self.spec.shape))
        denoise = self.denoiser
        if labels is not None:
            denoise = guided(  # type: ignore[assignment]
                self.denoiser,
                labels,
                self.denoiser.null_label,
                chosen.guidance_scale,
                active=self._guidance_acts,
                rescale=self.config.guidance_rescale,
            )
        images = sample(
            denoise,
            noise.to(self.device),
            self.schedule,
            self.config.prediction_type,
            sampler=chosen.sampler,
            num_inference_steps=chosen.num_inference_steps,
            clip_sample=self.config.clip_sample,
            generators=generators,
            progress=options.progress,
        )
        return images.clamp(-1, 1)

    def _guidance_acts(self, timesteps: Tensor) -> bool:
        if self.config.guidance_interval is None:
            return True
        alpha = float(self.schedule.alphas_cumprod[int(timesteps[0])])
        low, high = self.config.guidance_interval
        return alpha > 0 and low < ((1 - alpha) / alpha) ** 0.5 <= high
