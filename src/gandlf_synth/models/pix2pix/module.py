"""Training and translation of ``pix2pix`` (Isola et al. 2017, arXiv 1611.07004)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandlf_synth.batch_draws import draw_randn
from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import ExportedNetwork, noise_from
from gandlf_synth.models.components.gan import in_fast_layout
from gandlf_synth.models.components.joining_discriminator import JoiningDiscriminatorModule
from gandlf_synth.models.components.patch_adversary import build_adversary, last_weight
from gandlf_synth.models.components.reconstruction_loss import ReconstructionLoss
from gandlf_synth.models.components.translation import (
    as_channels,
    build_translator,
    check_parts,
    count_channels,
    hide_parts,
    keep_known,
    translate,
)
from gandlf_synth.models.pix2pix.config import Pix2PixConfig
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share


class Pix2Pix(JoiningDiscriminatorModule[Pix2PixConfig]):
    """A network that makes an image in one pass from those of its condition, and learns from the real one beside them.

    The discriminator sees an image together with what it was made from (1611.07004, eq. 1). ``val_loss`` is the error
    without it. Of an image with a region that is to be made anew, the rest is kept before anything is compared.
    """

    def __init__(self, config: Pix2PixConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        check_parts(spec.parts, config.model_name)
        architecture, given = resolved(config.architecture), count_channels(spec.parts)
        self.noise_channels = architecture.noise_channels
        self.generator = build_translator(
            architecture, spec.spatial_dims, given + self.noise_channels, spec.num_channels
        )
        self.adversary = build_adversary(
            config, spec, channels=architecture.discriminator_channels,
            num_layers=architecture.discriminator_num_layers, beside=given,
        )  # fmt: skip
        self.criterion = ReconstructionLoss(config, self.build_loss("generator"), spec.shape, spec.num_channels)
        self._given: Tensor | None = None

    @property
    def generator_network(self) -> nn.Module:
        """The generator."""
        return self.generator

    def check_components(self) -> None:
        """Build what training needs once, the networks that compare too; see ``GenerativeModule.check_components``."""
        super().check_components()
        self.criterion.check()

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return the generator and, where there is one, the discriminator."""
        return [self.generator, *self.discriminators]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the generator and, where there is one, the discriminator."""
        return [self.generator, *self.discriminators]

    def generator_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the error of what is made, with the verdict on it (1611.07004, eq. 4), and what is made."""
        images = batch["image"]
        condition = hide_parts(batch["condition"], self.spec.parts)
        self._given = as_channels(condition, self.spec.num_classes)
        noise = draw_randn((len(images), self.noise_channels, *images.shape[2:]), images.device)
        output = keep_known(self._generate(self._given, noise), condition)
        error: Tensor = self.criterion(output, images)
        if not self.with_discriminator or self.adversary is None:
            return error, output
        verdict = self.adversary.verdict(self.judged(output, batch), error, last_weight(self.generator))
        return error + verdict, output

    def judged(self, images: Tensor, batch: Batch) -> Tensor:
        """Return ``images`` beside what the generator was given."""
        given = as_channels(batch["condition"], self.spec.num_classes) if self._given is None else self._given
        return torch.cat([given, images], 1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the error on the validation split."""
        self.log_loss("val", self._evaluation_loss(batch, batch_idx), batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the error on the test split."""
        self.log_loss("test", self._evaluation_loss(batch, batch_idx), batch)

    def _evaluation_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the error at noise that is the same in every epoch."""
        images, size = batch["image"], len(batch["image"])
        rank, _ = data_share(self._trainer)
        seeds = [fold_seed(0, Purpose.VALIDATION_IMAGE, rank, batch_idx, place) for place in range(size)]
        given = as_channels(batch["condition"], self.spec.num_classes)
        output = keep_known(self._generate(given, self._noise(seeds, given)), batch["condition"])
        error: Tensor = self.criterion(output, images)
        return error

    def _noise(self, seeds: Sequence[int], given: Tensor) -> Tensor:
        """Return the noise of each seed, ``(batch, noise_channels, *shape)``."""
        noise, _ = noise_from(seeds, (self.noise_channels, *given.shape[2:]))
        return noise.to(given.device)

    def _generate(self, given: Tensor, noise: Tensor) -> Tensor:
        images: Tensor = self.generator(in_fast_layout(torch.cat([given, noise], 1)))
        return images

    def reconstruct(self, images: Tensor, condition: Condition) -> Tensor:
        """Return what is made of the condition of ``images``, to be compared with them, which it does not see."""
        return self.sample(range(len(images)), condition, SamplingOptions())

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, of the size of the condition's images; see ``GenerativeModule.sample``.

        Without ``noise_channels`` the seeds change nothing.
        """
        given = as_channels(condition, self.spec.num_classes)
        inputs = torch.cat([given, self._noise(seeds, given)], 1)
        images = translate(lambda window: self.generator(in_fast_layout(window)), inputs, self.spec.shape, options)
        return keep_known(images, condition)

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the generator; it takes the condition as channels, in the order of its parts, and noise after it."""
        channels = count_channels(self.spec.parts) + self.noise_channels
        return {"generator": ExportedNetwork(self.generator.eval(), (torch.randn(2, channels, *self.spec.shape),))}
