"""Training and sampling of ``dcgan`` (Radford et al. 2015, arXiv 1511.06434)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_randn
from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.gradient_penalties import r1_penalty
from gandlf_synth.models.base import ExportedNetwork, noise_from
from gandlf_synth.models.components.gan import (
    DiscriminatorTurn,
    GenerativeAdversarialNetwork,
    fast_layout,
    in_fast_layout,
)
from gandlf_synth.models.components.yaml_keys import name_yaml_keys
from gandlf_synth.models.dcgan.config import DCGANConfig
from gandlf_synth.networks.dcgan import Discriminator, Generator
from gandlf_synth.networks.discriminator_augmentation import DiffAugment


class DCGAN(GenerativeAdversarialNetwork[DCGANConfig]):
    """A convolutional generator and discriminator; ``val_loss`` is the energy distance to the validation split."""

    def __init__(self, config: DCGANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        with name_yaml_keys({"norm_num_groups": "model_config.architecture.norm_num_groups"}):
            generator, discriminator = _build_generator(config, spec), _build_discriminator(config, spec)
        self.generator = fast_layout(generator, spec.spatial_dims)
        self.discriminator = fast_layout(discriminator, spec.spatial_dims)
        self._augment = DiffAugment(config.diffaugment)

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The keys of its gradient penalty; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        return ["r1_gamma"] if self.config.r1_gamma else []

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the discriminator, then the generator, on the same synthetic images."""
        real = in_fast_layout(batch["image"])
        latents = draw_randn((len(real), resolved(self.config.architecture).latent_vector_size), real.device)
        self.take_turns(batch, batch_idx, real, self.generator(latents, batch["condition"].class_labels))

    def _discriminator_turn(self, real: Tensor, fake: Tensor, class_labels: Tensor | None) -> DiscriminatorTurn:
        real_scores, fake_scores = self._scores(real, class_labels), self._scores(fake, class_labels)
        loss = self.loss_of("discriminator").for_discriminator(real_scores, fake_scores)
        return DiscriminatorTurn(loss + self._gradient_penalty(real, class_labels), real_scores, fake_scores)

    def _generator_loss(self, fake: Tensor, class_labels: Tensor | None) -> Tensor:
        return self.loss_of("generator").for_generator(self._scores(fake, class_labels))

    def _scores(self, images: Tensor, class_labels: Tensor | None) -> Tensor:
        scores: Tensor = self.discriminator(self._augment(images), class_labels)
        return scores

    def _gradient_penalty(self, real: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return the R1 penalty (Mescheder et al. 2018), computed every few steps and weighted for those between."""
        weight = self.config.r1_gamma / 2 * self.config.r1_interval
        if not weight or self.turns % self.config.r1_interval:
            return real.new_zeros(())
        return weight * r1_penalty(lambda images: self.discriminator(images, class_labels), self._augment(real))

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the generator: ``(latents)``, and classes where it has them."""
        latents = torch.randn(2, resolved(self.config.architecture).latent_vector_size)
        class_labels = (torch.tensor([0, self.spec.num_classes - 1]),) if self.spec.num_classes else ()
        return {"generator": ExportedNetwork(self.generator.eval(), (latents, *class_labels))}

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        latents, _ = noise_from(seeds, (resolved(self.config.architecture).latent_vector_size,))
        images: Tensor = self.generator(latents.to(self.device), condition.class_labels)
        return images


def _build_generator(config: DCGANConfig, spec: DataSpec) -> Generator:
    architecture = resolved(config.architecture)
    return Generator(
        shape=spec.shape,
        channels=spec.num_channels,
        num_classes=spec.num_classes,
        latent_vector_size=architecture.latent_vector_size,
        init_channels=architecture.init_channels_generator,
        growth_rate=architecture.growth_rate_generator,
        norm=architecture.generator_norm,
        norm_num_groups=architecture.norm_num_groups,
        upsampling=architecture.upsampling,
    )


def _build_discriminator(config: DCGANConfig, spec: DataSpec) -> Discriminator:
    architecture = resolved(config.architecture)
    return Discriminator(
        shape=spec.shape,
        channels=spec.num_channels,
        num_classes=spec.num_classes,
        init_channels=architecture.init_channels_discriminator,
        growth_rate=architecture.growth_rate_discriminator,
        leaky_relu_slope=architecture.leaky_relu_slope,
        norm=config.discriminator_norm,
        norm_num_groups=architecture.norm_num_groups,
        minibatch_std_group_size=architecture.minibatch_std_group_size,
        spectral_norm=architecture.spectral_norm,
    )
