"""Training and sampling of ``flow_matching`` (Lipman et al. 2023, arXiv 2210.02747)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.data.dataset import Batch
from gandlf_synth.data.spec import DataSpec
from gandlf_synth.diffusion import FLOW_SAMPLERS, flow_sample, guided, logit_normal, paired
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.models.base import ExportedNetwork, GenerativeModule, SamplingOptions, noise_from
from gandlf_synth.models.denoiser import Denoiser
from gandlf_synth.models.flow_matching.config import FlowMatchingConfig
from gandlf_synth.provenance import fold_seed

_TIME_SCALE = 1000  # the network's time embedding resolves steps of one


class FlowMatching(GenerativeModule[FlowMatchingConfig]):
    """A velocity field trained on straight paths between images and noise, and the flow that samples with it."""

    def __init__(self, config: FlowMatchingConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.denoiser = Denoiser(config.architecture, spec.spatial_dims, spec.num_channels, spec.num_classes)
        self.loss = self.build_loss()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss at random times; classes are hidden at random, for guidance."""
        labels = self._labels(batch)
        if labels is not None:
            hidden = torch.rand(len(labels), device=labels.device) < self.config.label_dropout_fraction
            labels = torch.where(hidden, self.denoiser.null_label, labels)
        clean = batch["image"]
        noise = torch.randn_like(clean)
        noise = paired(noise, clean) if self.config.optimal_transport else noise
        loss = self._loss(clean, noise, torch.rand((), device=clean.device), labels)
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
        """Return the error of the velocity (Lipman et al. 2023, eq. 23) at times spread evenly over the batch."""
        times = (start + torch.arange(len(clean), device=clean.device) / len(clean)) % 1
        if self.config.time_distribution == "logit_normal":
            times = logit_normal(times)
        share = times.to(clean).view(-1, *(1,) * (clean.ndim - 1))
        noisy = (1 - share) * clean + share * noise
        return self.loss(self.denoiser(noisy, _TIME_SCALE * times, labels), noise - clean).mean()  # type: ignore[no-any-return]

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the denoiser."""
        return {"denoiser": self.denoiser.exported(self.spec.shape)}

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        scale = options.guidance_scale
        return {
            "sampler": options.sampler or self.config.sampler,
            "num_inference_steps": options.num_inference_steps or self.config.num_inference_steps,
            "guidance_scale": self.config.guidance_scale if scale is None else scale,
        }

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse an unknown sampler and guidance without classes."""
        if options.sampler is not None and options.sampler not in FLOW_SAMPLERS:
            hint = did_you_mean(options.sampler, FLOW_SAMPLERS)
            raise ConfigError(Problem("sampler", f"unknown name {options.sampler!r}", listing(FLOW_SAMPLERS), hint))
        if options.guidance_scale not in (None, 1) and not self.spec.num_classes:
            what = f"guidance_scale {options.guidance_scale} needs classes, and this model was trained without"
            raise ConfigError(Problem("guidance_scale", what, fix="leave it out"))

    def sample(self, seeds: Sequence[int], labels: Tensor | None, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        chosen = self.sampling_defaults(options)
        noise, _ = noise_from(seeds, (self.spec.num_channels, *self.spec.shape))
        field = self.denoiser
        if labels is not None:
            field = guided(self.denoiser, labels, self.denoiser.null_label, chosen["guidance_scale"])  # type: ignore[assignment]
        images = flow_sample(
            lambda noisy, times: field(noisy, _TIME_SCALE * times),
            noise.to(self.device),
            sampler=chosen["sampler"],
            num_inference_steps=chosen["num_inference_steps"],
            clip_sample=self.config.clip_sample,
            progress=options.progress,
        )
        return images.clamp(-1, 1)
