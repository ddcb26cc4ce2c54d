"""Training and sampling of ``dcgan`` (Radford et al. 2015, arXiv 1511.06434)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.losses.adversarial import discriminator_loss, generator_loss
from gandlf_synth.losses.gradient_penalties import r1_penalty
from gandlf_synth.models.base import ExportedNetwork, SamplingOptions, noise_from
from gandlf_synth.models.components.gan import GenerativeAdversarialNetwork, fast_layout
from gandlf_synth.models.dcgan.config import DCGANConfig
from gandlf_synth.networks.dcgan import Discriminator, Generator
from gandlf_synth.networks.discriminator_augmentation import DiffAugment


class DCGAN(GenerativeAdversarialNetwork[DCGANConfig]):
    """A convolutional generator and discriminator; ``val_loss`` is the energy distance to the validation split."""

    def __init__(self, config: DCGANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        described = (spec.shape, spec.num_channels, spec.num_classes)
        generator = Generator(config.architecture, *described)
        discriminator = Discriminator(config.architecture, config.discriminator_norm, *described)
        self.generator = fast_layout(generator, spec.spatial_dims)
        self.discriminator = fast_layout(discriminator, spec.spatial_dims)
        self._augment = DiffAugment(config.diffaugment)

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The keys of its gradient penalty; see ``GenerativeAdversarialNetwork.second_derivatives``."""
        return ["r1_gamma"] if self.config.r1_gamma else []

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update the discriminator, then the generator, on the same synthetic images."""
        real, class_labels = self.real(batch), batch["condition"].class_labels
        latents = torch.randn(len(real), self.config.architecture.latent_vector_size, device=real.device)
        fake = self.generator(latents, class_labels)
        scores: list[Tensor] = []

        def judge() -> Tensor:
            scores[:] = self._score(real, class_labels), self._score(fake.detach(), class_labels)
            return discriminator_loss(self._losses["discriminator"], *scores) + self._penalty(real, class_labels)

        def fool() -> Tensor:
            return generator_loss(self._losses["generator"], self._score(fake, class_labels))

        judged = self.update("discriminator", judge, batch_idx)
        fooled = self.update("generator", fool, batch_idx)
        self.log_turns(batch, discriminator=judged, generator=fooled)
        self.watch(real, fake, class_labels, *scores)

    def _score(self, images: Tensor, class_labels: Tensor | None) -> Tensor:
        scores: Tensor = self.discriminator(self._augment(images), class_labels)
        return scores

    def _penalty(self, real: Tensor, class_labels: Tensor | None) -> Tensor:
        weight = self.config.r1_gamma / 2 * self.config.r1_interval
        if not weight or self.turns % self.config.r1_interval:
            return real.new_zeros(())
        return weight * r1_penalty(lambda images: self.discriminator(images, class_labels), self._augment(real))

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the generator: ``(latents)``, and classes where it has them."""
        latents = torch.randn(2, self.config.architecture.latent_vector_size)
        class_labels = (torch.tensor([0, self.spec.num_classes - 1]),) if self.spec.num_classes else ()
        return {"generator": ExportedNetwork(self.generator.eval(), (latents, *class_labels))}

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed; see ``GenerativeModule.sample``."""
        latents, _ = noise_from(seeds, (self.config.architecture.latent_vector_size,))
        images: Tensor = self.generator(latents.to(self.device), condition.class_labels)
        return images
