"""Training and sampling of ``stylegan2`` (Karras et al. 2020, arXiv 1912.04958 and 2006.06676)."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.adversarial import discriminator_loss, generator_loss
from gandlf_synth.losses.gradient_penalties import path_lengths, r1_penalty
from gandlf_synth.models.base import SamplingOptions, noise_from
from gandlf_synth.models.components.gan import GenerativeAdversarialNetwork, fast_layout
from gandlf_synth.models.stylegan2.config import StyleGAN2Config
from gandlf_synth.networks.discriminator_augmentation import AnatomicalAugmentation
from gandlf_synth.networks.stylegan2 import Discriminator, Generator

_R1_HEURISTIC = 2e-4


class StyleGAN2(GenerativeAdversarialNetwork[StyleGAN2Config]):
    """A style-based generator; ``val_loss`` is the energy distance to the validation split.

    Buffers: ``mean_length``, the running mean of path lengths; ``probability``, that of each augmentation.
    """

    generator: Generator
    discriminator: Discriminator
    mean_length: Tensor
    probability: Tensor

    def __init__(self, config: StyleGAN2Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        described = (config.architecture, spec.shape, spec.num_channels, spec.num_classes)
        self.generator = fast_layout(Generator(*described), spec.spatial_dims)
        self.discriminator = fast_layout(Discriminator(*described), spec.spatial_dims)
        self.register_buffer("mean_length", torch.zeros(()))
        self.register_buffer("probability", torch.tensor(config.augmentation_probability))
        self._augmentation = AnatomicalAugmentation(
            rotation_degrees=config.augmentation_rotation_degrees,
            translation=config.augmentation_translation,
            mirror_axis=self._left_right if config.augmentation_mirrors else None,
        )

    @property
    def _left_right(self) -> int:
        """The axis from left to right: columns of a picture, the first axis of a canonical volume."""
        return 0

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The keys of its gradient penalties; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        weights = {"r1_gamma": self.config.r1_gamma, "path_length_weight": self.config.path_length_weight}
        return [key for key, weight in weights.items() if weight != 0]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the discriminator, then the generator, on the same synthetic images."""
        real, class_labels = self.real(batch), batch["condition"].class_labels
        fake = self.generator(self._styles(len(real), class_labels), self._random_noise(len(real)))
        scores: list[Tensor] = []

        def judge() -> Tensor:
            seen = self._augment(real)
            scores[:] = (
                self.discriminator(seen, class_labels),
                self.discriminator(self._augment(fake.detach()), class_labels),
            )
            return discriminator_loss(self._losses["discriminator"], *scores) + self._gradient_penalty(
                seen, class_labels
            )

        def fool() -> Tensor:
            loss = generator_loss(self._losses["generator"], self.discriminator(self._augment(fake), class_labels))
            return loss + self._path_penalty(len(real), class_labels)

        judged = self.update("discriminator", judge, batch_idx)
        fooled = self.update("generator", fool, batch_idx)
        self._adapt(scores[0])
        self.log_turns(batch, discriminator=judged, generator=fooled)
        self.watch(real, fake, class_labels, *scores)

    def _styles(self, count: int, class_labels: Tensor | None) -> Tensor:
        """Return one style per layer, ``(count, num_styles, size)``; often of two different latent vectors."""
        mapping, layers = self.generator.mapping, self.generator.num_styles
        latents = torch.randn(2, count, self.config.architecture.latent_vector_size, device=self.device)
        first = mapping(latents[0], class_labels)
        mapping.remember(first, class_labels)
        styles = first[:, None].expand(-1, layers, -1)
        if torch.rand(()) < self.config.style_mixing_probability:
            second = mapping(latents[1], class_labels)[:, None].expand(-1, layers, -1)
            change = int(torch.randint(1, layers, ()))
            styles = torch.cat([styles[:, :change], second[:, change:]], 1)
        return styles  # type: ignore[no-any-return]

    def _random_noise(self, count: int) -> Any:
        return lambda shape: torch.randn(count, 1, *shape, device=self.device)

    def _augment(self, images: Tensor) -> Tensor:
        never = self.config.augmentation_target is None and self.config.augmentation_probability == 0
        return images if never else self._augmentation(images, self.probability)

    def _gradient_penalty(self, seen: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return the lazy R1 penalty (1912.04958, sec. 3.1) on the augmented images."""
        gamma, every = self.config.r1_gamma, self.config.r1_interval
        if gamma is None:
            gamma = _R1_HEURISTIC * prod(seen.shape[2:]) / len(seen)
        if not gamma or self.turns % every:
            return seen.new_zeros(())
        return gamma / 2 * every * r1_penalty(lambda images: self.discriminator(images, class_labels), seen)

    def _path_penalty(self, count: int, class_labels: Tensor | None) -> Tensor:
        """Return the lazy path-length penalty (1912.04958, eq. 4) on half of a batch, in 32 bits."""
        weight, every = self.config.path_length_weight, self.config.path_length_interval
        if not weight or self.turns % every:
            return self.mean_length.new_zeros(())
        half = max(1, count // 2)
        with torch.autocast(self.device.type, enabled=False):
            styles = self._styles(half, None if class_labels is None else class_labels[:half])
            lengths = path_lengths(self.generator(styles, self._random_noise(half)), styles)
            with torch.no_grad():
                self.mean_length.lerp_(lengths.mean(), 1 - self.config.path_length_decay)
            return weight * every * (lengths - self.mean_length).square().mean()

    @torch.no_grad()
    def _adapt(self, real_scores: Tensor) -> None:
        """Augment more when the discriminator knows the real images too well, else less (2006.06676, sec. 3)."""
        target = self.config.augmentation_target
        if target is not None:
            overfitting = (real_scores - self.decision_score).sign().mean()
            step = (overfitting - target).sign() * len(real_scores) / self.config.augmentation_images
            self.probability.add_(step).clamp_(0, 1)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, noise inputs included; see ``GenerativeModule.sample``."""
        latents, rngs = noise_from(seeds, (self.config.architecture.latent_vector_size,))
        mapping = self.generator.mapping
        styles = mapping.truncated(
            mapping(latents.to(self.device), condition.class_labels), condition.class_labels, self.config.truncation_psi
        )

        def noise(shape: tuple[int, ...]) -> Tensor:
            drawn = torch.stack([torch.randn(1, *shape, generator=rng) for rng in rngs])
            return drawn.to(self.device)

        images = self.generator(styles[:, None].expand(-1, self.generator.num_styles, -1), noise)
        return images.clamp(-1, 1)  # type: ignore[no-any-return]

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, Any]:
        """Return the truncation that ``sample`` uses."""
        return {"truncation_psi": self.config.truncation_psi}
