"""Training and sampling of ``stylegan2`` (Karras et al. 2020, arXiv 1912.04958 and 2006.06676)."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from gandlf_synth.batch_draws import draw_randn
from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.gradient_penalties import path_lengths, r1_penalty
from gandlf_synth.models.base import noise_from
from gandlf_synth.models.components.gan import (
    DiscriminatorTurn,
    GenerativeAdversarialNetwork,
    fast_layout,
    in_fast_layout,
)
from gandlf_synth.models.stylegan2.config import StyleGAN2Architecture, StyleGAN2Config
from gandlf_synth.networks.discriminator_augmentation import AnatomicalAugmentation
from gandlf_synth.networks.noise_inputs import random_noise, seeded_noise
from gandlf_synth.networks.stylegan2 import Discriminator, Generator

_R1_HEURISTIC = 2e-4
_BATCHES_JUDGED = 4
_MOST_AUGMENTATION = 0.8
_RAMP_FRACTION = 0.25
"""Share of the run's images over which the augmentation may reach full strength."""
_LEFT_RIGHT = 0
"""The axis from left to right: columns of a picture, the first axis of a canonical volume."""


class StyleGAN2(GenerativeAdversarialNetwork[StyleGAN2Config]):
    """A style-based generator; ``val_loss`` is the energy distance to the validation split.

    Buffers: ``mean_length``, the running mean of path lengths; ``probability``, that of each augmentation;
    ``overfitting``, the mean sign of the real scores since the probability was last changed.
    """

    generator: Generator
    discriminator: Discriminator
    mean_length: Tensor
    probability: Tensor
    overfitting: Tensor

    def __init__(self, config: StyleGAN2Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.generator = fast_layout(_build_generator(resolved(config.architecture), spec), spec.spatial_dims)
        self.discriminator = fast_layout(_build_discriminator(resolved(config.architecture), spec), spec.spatial_dims)
        self.register_buffer("mean_length", torch.zeros(()))
        self.register_buffer("probability", torch.tensor(config.augmentation_probability))
        self.register_buffer("overfitting", torch.zeros(()))
        self._augmentation = AnatomicalAugmentation(
            rotation_degrees=config.augmentation_rotation_degrees,
            translation=config.augmentation_translation,
            mirror_axis=_LEFT_RIGHT if config.augmentation_mirrors else None,
        )

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The keys of its gradient penalties; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        weights = {"r1_gamma": self.config.r1_gamma, "path_length_weight": self.config.path_length_weight}
        return [key for key, weight in weights.items() if weight != 0]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the mapping, the layers of the synthesis and the discriminator."""
        generator = self.generator
        return [generator.mapping, *generator.entries, *generator.layers, *generator.images, self.discriminator]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the discriminator, then the generator, on the same synthetic images."""
        real, class_labels = in_fast_layout(batch["image"]), batch["condition"].class_labels
        fake = self.generator(self._styles(len(real), class_labels), random_noise(len(real), self.device))
        turn = self.take_turns(batch, batch_idx, real, fake)
        self._adapt(turn.real_scores)

    def _discriminator_turn(self, real: Tensor, fake: Tensor, class_labels: Tensor | None) -> DiscriminatorTurn:
        augmented = self._augment(real)
        real_scores = self.discriminator(augmented, class_labels)
        fake_scores = self.discriminator(self._augment(fake), class_labels)
        loss = self.loss_of("discriminator").for_discriminator(real_scores, fake_scores)
        return DiscriminatorTurn(loss + self._gradient_penalty(augmented, class_labels), real_scores, fake_scores)

    def _generator_loss(self, fake: Tensor, class_labels: Tensor | None) -> Tensor:
        loss = self.loss_of("generator").for_generator(self.discriminator(self._augment(fake), class_labels))
        return loss + self._path_penalty(len(fake), class_labels)

    def _styles(self, count: int, class_labels: Tensor | None) -> Tensor:
        """Return one style per layer, ``(count, num_styles, size)``; often of two different latent vectors."""
        mapping, layers = self.generator.mapping, self.generator.num_styles
        size = resolved(self.config.architecture).latent_vector_size
        latents = draw_randn((2, count, size), self.device, batch_axis=1)
        first = mapping(latents[0], class_labels)
        mapping.update_mean_style(first, class_labels)
        styles: Tensor = first[:, None].expand(-1, layers, -1)
        if torch.rand(()) < self.config.style_mixing_probability:
            second = mapping(latents[1], class_labels)[:, None].expand(-1, layers, -1)
            change = int(torch.randint(1, layers, ()))
            styles = torch.cat([styles[:, :change], second[:, change:]], 1)
        return styles

    def _augment(self, images: Tensor) -> Tensor:
        never = self.config.augmentation_target is None and self.config.augmentation_probability == 0
        return images if never else self._augmentation(images, self.probability)

    def _gradient_penalty(self, augmented: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return the lazy R1 penalty (1912.04958, sec. 3.1) on the augmented real images."""
        gamma, every = self.config.r1_gamma, self.config.r1_interval
        if gamma is None:
            together = len(augmented) * self.processes * self.config.accumulate_grad_batches
            gamma = _R1_HEURISTIC * prod(augmented.shape[2:]) / together
        if not gamma or self.turns % every:
            return augmented.new_zeros(())
        return gamma / 2 * every * r1_penalty(lambda images: self.discriminator(images, class_labels), augmented)

    def _path_penalty(self, count: int, class_labels: Tensor | None) -> Tensor:
        """Return the lazy path-length penalty (1912.04958, eq. 4) on half of a batch, in 32 bits."""
        weight, every = self.config.path_length_weight, self.config.path_length_interval
        if not weight or self.turns % every:
            return self.mean_length.new_zeros(())
        half = max(1, count // 2)
        with torch.autocast(self.device.type, enabled=False):
            styles = self._styles(half, None if class_labels is None else class_labels[:half])
            lengths = path_lengths(self.generator(styles, random_noise(half, self.device)), styles)
            with torch.no_grad():
                self.mean_length.lerp_(lengths.mean(), 1 - self.config.path_length_decay)
            return weight * every * (lengths - self.mean_length).square().mean()

    @torch.no_grad()
    def _adapt(self, real_scores: Tensor) -> None:
        """Augment more when the discriminator knows the real images too well, else less (2006.06676, sec. 3)."""
        target = self.config.augmentation_target
        if target is None:
            return
        signs = (real_scores - self.loss_of("discriminator").decision_score).sign()
        self.overfitting.add_(self.mean_over_processes(signs.mean()) / _BATCHES_JUDGED)
        if self.turns % _BATCHES_JUDGED:
            return
        images = len(real_scores) * self.processes
        step = _BATCHES_JUDGED * images / self._ramp_images(images)
        self.probability.add_((self.overfitting - target).sign() * step).clamp_(0, _MOST_AUGMENTATION)
        self.overfitting.zero_()

    def _ramp_images(self, images: int) -> float:
        """Return the images over which the probability may go from 0 to 1, where each turn shows ``images``."""
        if self.config.augmentation_images is not None:
            return self.config.augmentation_images
        images_of_run = images * self.turns / max(self.training_progress, 1e-6)
        return max(1.0, _RAMP_FRACTION * images_of_run)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, noise inputs included; see ``GenerativeModule.sample``."""
        latents, generators = noise_from(seeds, (resolved(self.config.architecture).latent_vector_size,))
        mapping, class_labels = self.generator.mapping, condition.class_labels
        styles = mapping(latents.to(self.device), class_labels)
        styles = mapping.truncate(styles, class_labels, psi=self.config.truncation_psi)
        styles = styles[:, None].expand(-1, self.generator.num_styles, -1)
        images: Tensor = self.generator(styles, seeded_noise(generators, self.device))
        return images.clamp(-1, 1)

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return the truncation that ``sample`` uses."""
        return {"truncation_psi": self.config.truncation_psi}


def _build_generator(architecture: StyleGAN2Architecture, spec: DataSpec) -> Generator:
    return Generator(
        shape=spec.shape,
        channels=spec.num_channels,
        num_classes=spec.num_classes,
        latent_vector_size=architecture.latent_vector_size,
        intermediate_latent_size=architecture.intermediate_latent_size,
        num_mapping_layers=architecture.num_mapping_layers,
        channel_base=architecture.channel_base,
        channel_max=architecture.channel_max,
        noise_inputs=architecture.noise_inputs,
    )


def _build_discriminator(architecture: StyleGAN2Architecture, spec: DataSpec) -> Discriminator:
    return Discriminator(
        shape=spec.shape,
        channels=spec.num_channels,
        num_classes=spec.num_classes,
        channel_base=architecture.channel_base,
        channel_max=architecture.channel_max,
        minibatch_std_group_size=architecture.minibatch_std_group_size,
    )
