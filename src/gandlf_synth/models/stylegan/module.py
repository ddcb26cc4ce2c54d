"""Training and sampling of ``stylegan`` (Karras et al. 2018, arXiv 1812.04948; stages: 1710.10196)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.adversarial import discriminator_loss, generator_loss
from gandlf_synth.losses.gradient_penalties import wasserstein_penalty
from gandlf_synth.models.base import SamplingOptions, noise_from
from gandlf_synth.models.components.gan import GenerativeAdversarialNetwork, fast_layout, in_fast_layout
from gandlf_synth.models.stylegan.config import StyleGANConfig
from gandlf_synth.networks.resampling import adaptive_avg_pool, upsample
from gandlf_synth.networks.stylegan import Discriminator, Generator

_ALPHA_STEPS = 1_000_000


class StyleGAN(GenerativeAdversarialNetwork[StyleGANConfig]):
    """A generator that grows from coarse to fine; ``val_loss`` is the energy distance at the full size.

    The stage follows the epochs, or the clock where training is limited by time. Buffers: ``stage``; ``fade``, the
    weight of its resolution in millionths (whole numbers, which weight averaging copies).
    """

    generator: Generator
    discriminator: Discriminator
    stage: Tensor
    fade: Tensor

    def __init__(self, config: StyleGANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        described = (config.architecture, spec.shape, spec.num_channels, spec.num_classes)
        self.generator = fast_layout(Generator(*described), spec.spatial_dims)
        self.discriminator = fast_layout(Discriminator(*described), spec.spatial_dims)
        self.register_buffer("stage", torch.zeros((), dtype=torch.long))
        self.register_buffer("fade", torch.full((), _ALPHA_STEPS, dtype=torch.long))

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The key of its gradient penalty; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        return ["architecture.gradient_penalty_weight"] if self.config.architecture.gradient_penalty_weight else []

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the critic, then the generator, on images of the stage's size."""
        at = self._advance(batch_idx)
        class_labels = batch["condition"].class_labels
        real = in_fast_layout(self._coarsened(batch["image"], *at))
        latents = torch.randn(len(real), self.config.architecture.latent_vector_size, device=self.device)
        fake = self.generator(latents, class_labels, self._random_noise(len(real)), *at)
        scores: list[Tensor] = []

        def critic(images: Tensor) -> Tensor:
            result: Tensor = self.discriminator(images, class_labels, *at)
            return result

        def judge() -> Tensor:
            scores[:] = critic(real), critic(fake.detach())
            loss = discriminator_loss(self._losses["discriminator"], *scores)
            drift = self.config.architecture.critic_squared_loss_weight * scores[0].square().mean()
            weight = self.config.architecture.gradient_penalty_weight
            return loss + drift + (weight * wasserstein_penalty(critic, real, fake) if weight else 0)

        def fool() -> Tensor:
            return generator_loss(self._losses["generator"], critic(fake))

        judged = self.update("discriminator", judge, batch_idx)
        fooled = self.update("generator", fool, batch_idx)
        self.log_turns(batch, discriminator=judged, generator=fooled)
        self.watch(real, fake, class_labels, *scores)

    def _advance(self, batch_idx: int) -> tuple[int, float]:
        """Return the stage and the weight of its resolution for this batch, and keep them."""
        architecture = self.config.architecture
        by_steps = self.trainer.current_epoch + batch_idx / max(1, self.trainer.num_training_batches)
        by_clock = self.elapsed_fraction * sum(architecture.progressive_epochs)
        stage, alpha = architecture.position(max(by_steps, by_clock))
        self.stage.fill_(stage)
        self.fade.fill_(round(alpha * _ALPHA_STEPS))
        return stage, alpha

    def _coarsened(self, images: Tensor, stage: int, alpha: float) -> Tensor:
        """Return real images as the stage sees them, detail faded in as in synthetic ones (1710.10196, fig. 2)."""
        shapes = self.generator.shapes
        images = adaptive_avg_pool(images, shapes[stage])
        if not stage or alpha == 1:
            return images
        return torch.lerp(upsample(adaptive_avg_pool(images, shapes[stage - 1]), shapes[stage]), images, alpha)

    def _random_noise(self, count: int) -> Any:
        return lambda shape: torch.randn(count, 1, *shape, device=self.device)

    @property
    def val_loss_comparable(self) -> bool:
        """Whether the last stage is reached: coarse images come near the real ones sooner than fine ones."""
        return int(self.stage) == self.config.architecture.num_stages - 1

    def _sampling_stage(self) -> tuple[int, float]:
        stage, alpha = int(self.stage), float(self.fade) / _ALPHA_STEPS
        wanted = self.config.default_forward_step
        return (stage, alpha) if wanted is None or wanted >= stage else (wanted, 1.0)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, enlarged to the full size; see ``GenerativeModule.sample``."""
        latents, rngs = noise_from(seeds, (self.config.architecture.latent_vector_size,))

        def noise(shape: tuple[int, ...]) -> Tensor:
            drawn = torch.stack([torch.randn(1, *shape, generator=rng) for rng in rngs])
            return drawn.to(self.device)

        images = self.generator(latents.to(self.device), condition.class_labels, noise, *self._sampling_stage())
        return images if images.shape[2:] == self.spec.shape else upsample(images, self.spec.shape)

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return the stage that ``sample`` generates from."""
        return {"stage": self._sampling_stage()[0]}
