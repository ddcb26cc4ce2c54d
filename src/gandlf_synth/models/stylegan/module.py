"""Training and sampling of ``stylegan`` (Karras et al. 2018, arXiv 1812.04948; stages: 1710.10196)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_randn
from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.gradient_penalties import wasserstein_penalty
from gandlf_synth.models.base import noise_from
from gandlf_synth.models.components.gan import (
    DiscriminatorTurn,
    GenerativeAdversarialNetwork,
    fast_layout,
    in_fast_layout,
)
from gandlf_synth.models.stylegan.config import StyleGANArchitecture, StyleGANConfig
from gandlf_synth.networks.noise_inputs import random_noise, seeded_noise
from gandlf_synth.networks.resampling import adaptive_avg_pool, upsample
from gandlf_synth.networks.sizes import crop, pad
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
        self.generator = fast_layout(_build_generator(resolved(config.architecture), spec), spec.spatial_dims)
        self.discriminator = fast_layout(_build_discriminator(resolved(config.architecture), spec), spec.spatial_dims)
        self.register_buffer("stage", torch.zeros((), dtype=torch.long))
        self.register_buffer("fade", torch.full((), _ALPHA_STEPS, dtype=torch.long))
        self._position: tuple[int, float] = (0, 1.0)

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The key of its gradient penalty; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        return (
            ["architecture.gradient_penalty_weight"]
            if resolved(self.config.architecture).gradient_penalty_weight
            else []
        )

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the critic, then the generator, on images of the stage's size."""
        self._position = self._advance(batch_idx)
        real = in_fast_layout(self._coarsen(batch["image"]))
        latents = draw_randn((len(real), resolved(self.config.architecture).latent_vector_size), self.device)
        noise = random_noise(len(real), self.device)
        fake = self.generator(latents, batch["condition"].class_labels, noise, *self._position)
        self.take_turns(batch, batch_idx, real, fake)

    def _discriminator_turn(self, real: Tensor, fake: Tensor, class_labels: Tensor | None) -> DiscriminatorTurn:
        real_scores, fake_scores = self._scores(real, class_labels), self._scores(fake, class_labels)
        loss = self.loss_of("discriminator").for_discriminator(real_scores, fake_scores)
        loss = loss + resolved(self.config.architecture).critic_squared_loss_weight * real_scores.square().mean()
        weight = resolved(self.config.architecture).gradient_penalty_weight
        if weight:
            loss = loss + weight * wasserstein_penalty(lambda images: self._scores(images, class_labels), real, fake)
        return DiscriminatorTurn(loss, real_scores, fake_scores)

    def _generator_loss(self, fake: Tensor, class_labels: Tensor | None) -> Tensor:
        return self.loss_of("generator").for_generator(self._scores(fake, class_labels))

    def _scores(self, images: Tensor, class_labels: Tensor | None) -> Tensor:
        scores: Tensor = self.discriminator(images, class_labels, *self._position)
        return scores

    def _advance(self, batch_idx: int) -> tuple[int, float]:
        """Return the stage and the weight of its resolution for this batch, and keep them."""
        architecture = resolved(self.config.architecture)
        by_steps = self.trainer.current_epoch + batch_idx / max(1, self.trainer.num_training_batches)
        by_clock = max(self.elapsed_fraction, self.reached_fraction) * sum(architecture.progressive_epochs)
        stage, alpha = architecture.position(max(by_steps, by_clock))
        self.stage.fill_(stage)
        self.fade.fill_(round(alpha * _ALPHA_STEPS))
        return stage, alpha

    def _coarsen(self, images: Tensor) -> Tensor:
        """Return real images as the stage sees them, detail faded in as in synthetic ones (1710.10196, fig. 2)."""
        (stage, alpha), shapes = self._position, self.generator.shapes
        images = adaptive_avg_pool(pad(images, shapes[-1]), shapes[stage])
        if not stage or alpha == 1:
            return images
        return torch.lerp(upsample(adaptive_avg_pool(images, shapes[stage - 1]), shapes[stage]), images, alpha)

    @property
    def val_loss_comparable(self) -> bool:
        """Whether the last stage is reached: coarse images come near the real ones sooner than fine ones."""
        return int(self.stage) == resolved(self.config.architecture).num_stages - 1

    def _sampling_stage(self) -> tuple[int, float]:
        stage, alpha = int(self.stage), float(self.fade) / _ALPHA_STEPS
        chosen_stage = self.config.default_forward_step
        return (stage, alpha) if chosen_stage is None or chosen_stage >= stage else (chosen_stage, 1.0)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, enlarged to the full size; see ``GenerativeModule.sample``."""
        latents, generators = noise_from(seeds, (resolved(self.config.architecture).latent_vector_size,))
        noise = seeded_noise(generators, self.device)
        images = self.generator(latents.to(self.device), condition.class_labels, noise, *self._sampling_stage())
        full = self.generator.shapes[-1]
        return crop(images if images.shape[2:] == full else upsample(images, full), self.spec.shape)

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return the stage that ``sample`` generates from."""
        return {"stage": self._sampling_stage()[0]}


def _canvas(architecture: StyleGANArchitecture, spec: DataSpec) -> tuple[int, ...]:
    """Return the size of what the networks see in the last stage."""
    return (architecture.final_size,) * spec.spatial_dims if architecture.pads_images else spec.shape


def _build_generator(architecture: StyleGANArchitecture, spec: DataSpec) -> Generator:
    return Generator(
        shape=_canvas(architecture, spec),
        channels=spec.num_channels,
        stage_channels=architecture.stage_channels,
        num_classes=spec.num_classes,
        latent_vector_size=architecture.latent_vector_size,
        intermediate_latent_size=architecture.intermediate_latent_size,
        growth_factor=architecture.progressive_size_growth_factor,
    )


def _build_discriminator(architecture: StyleGANArchitecture, spec: DataSpec) -> Discriminator:
    return Discriminator(
        shape=_canvas(architecture, spec),
        channels=spec.num_channels,
        stage_channels=architecture.stage_channels,
        num_classes=spec.num_classes,
        growth_factor=architecture.progressive_size_growth_factor,
    )
