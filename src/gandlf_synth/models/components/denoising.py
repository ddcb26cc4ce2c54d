"""What families share that learn to undo noise: training at random noise levels, and sampling from pure noise."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from gandlf_synth.config import ModelConfig, Phase
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.models.base import ExportedNetwork, GenerativeModule, SamplingOptions, noise_from
from gandlf_synth.networks.denoiser import Denoiser
from gandlf_synth.provenance import Purpose, fold_seed

C = TypeVar("C", bound=ModelConfig)


class DenoisingSettings(Protocol):
    """What the configuration of every such family says."""

    label_dropout_fraction: float
    guidance_scale: float


class DenoisingProcess(nn.Module, ABC):
    """Noise, the network that undoes it, and the way back from noise; for images and for latents alike.

    Args:
        denoiser: the network.
        settings: the family's configuration.
        criterion: the loss, one value per element.
        parts: what the images are conditioned on.
    """

    samplers: Sequence[str]

    def __init__(
        self, denoiser: Denoiser, settings: DenoisingSettings, criterion: nn.Module, parts: Sequence[ConditionPart]
    ) -> None:
        super().__init__()
        self.denoiser, self.criterion = denoiser, criterion
        self._drop_fractions = {
            part.name: settings.label_dropout_fraction if part.kind == "class" else part.drop_fraction for part in parts
        }

    @abstractmethod
    def loss(self, clean: Tensor, noise: Tensor, start: Tensor, condition: Condition) -> Tensor:
        """Return the mean loss at noise levels that are spread evenly over the batch from a random ``start``.

        Even spreading lowers the variance of the gradient (Kingma et al. 2021, appendix I.1).

        Args:
            clean: ``(batch, channels, *shape)``.
            noise: standard normal, of the same shape.
            start: a scalar in [0, 1).
            condition: what the images are made from.
        """

    @abstractmethod
    def sample(
        self, noise: Tensor, generators: list[torch.Generator], condition: Condition, options: SamplingOptions
    ) -> Tensor:
        """Return what the process makes of ``noise (batch, channels, *shape)``."""

    @abstractmethod
    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return sampler, steps and guidance scale that ``sample`` would use."""

    def training_loss(self, clean: Tensor, condition: Condition) -> Tensor:
        """Return the loss at random noise; each part of the condition is hidden at random, for guidance."""
        fractions = {name: self._drop_fractions[name] for name in condition}
        hidden = {name: torch.rand(len(clean), device=clean.device) < share for name, share in fractions.items()}
        noise = self.noise_for(clean)
        return self.loss(clean, noise, torch.rand((), device=clean.device), condition.hidden(hidden))

    def noise_for(self, clean: Tensor) -> Tensor:
        """Return the noise that ``clean`` is trained with."""
        return torch.randn_like(clean)

    def fixed_loss(self, clean: Tensor, condition: Condition, seed: int) -> Tensor:
        """Return the loss at noise that follows from ``seed``."""
        rng = torch.Generator().manual_seed(seed)
        noise = torch.randn(clean.shape, generator=rng).to(clean)
        return self.loss(clean, noise, torch.rand((), generator=rng).to(clean.device), condition)

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse an unknown sampler, and guidance where there is no condition."""
        if options.sampler is not None and options.sampler not in self.samplers:
            hint = did_you_mean(options.sampler, self.samplers)
            raise ConfigError(Problem("sampler", f"unknown name {options.sampler!r}", listing(self.samplers), hint))
        if options.guidance_scale not in (None, 1) and not self._drop_fractions:
            what = f"guidance_scale {options.guidance_scale} needs classes, and this model was trained without"
            raise ConfigError(Problem("guidance_scale", what, fix="leave it out"))


class DenoisingModule(GenerativeModule[C]):
    """A ``process`` on images; a subclass may put something else in their place with ``encode`` and ``decode``."""

    process: DenoisingProcess

    @property
    def samplers(self) -> Sequence[str]:  # type: ignore[override]
        """The solvers of the process."""
        return self.process.samplers

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """``(channels, *shape)`` of what the process works on."""
        return (self.spec.num_channels, *self.spec.shape)

    def encode(self, batch: Batch, phase: Phase) -> Tensor:
        """Return what the process learns of a batch of the split ``phase``."""
        return batch["image"]

    def decode(self, sample: Tensor) -> Tensor:
        """Return the images of what the process sampled."""
        return sample

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss at random noise levels."""
        loss = self.process.training_loss(self.encode(batch, "train"), batch["condition"])
        self.log_loss("train", loss, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss at noise that is the same in every epoch, so that epochs can be compared."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self._evaluate("test", batch, batch_idx)

    def _evaluate(self, phase: Phase, batch: Batch, batch_idx: int) -> None:
        seed = fold_seed(0, Purpose.VALIDATION_NOISE, batch_idx, self.global_rank)
        loss = self.process.fixed_loss(self.encode(batch, phase), batch["condition"], seed)
        self.log_loss(phase, loss, batch)

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return the denoiser."""
        return [self.process.denoiser]

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the denoiser."""
        return {"denoiser": self.process.denoiser.exported(self.noise_shape[1:])}

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return sampler, steps and guidance scale that ``sample`` would use."""
        return self.process.sampling_defaults(options)

    def check_sampling(self, options: SamplingOptions) -> None:
        """Refuse an unknown sampler, and guidance where there is no condition."""
        self.process.check_sampling(options)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        noise, generators = noise_from(seeds, self.noise_shape)
        sample = self.process.sample(noise.to(self.device), generators, condition, options)
        return self.decode(sample).clamp(-1, 1)
