"""Models that learn from an error per voxel first, and from a discriminator of patches once the structure is there."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.multi_optimizer import MultiOptimizerModule
from gandlf_synth.models.components.patch_adversary import PatchAdversary
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig

R = TypeVar("R", bound=ReconstructionConfig)


class JoiningDiscriminatorModule(MultiOptimizerModule[R]):
    """A ``generator`` that is joined by a ``discriminator`` after ``adversarial_start_fraction`` of the training.

    A subclass sets ``adversary``, names the network of the generator and says what its loss is.
    """

    adversarial: Tensor
    adversary: PatchAdversary | None

    def __init__(self, config: R, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.register_buffer("adversarial", torch.tensor(False))
        self._with_discriminator: bool | None = None

    @property
    @abstractmethod
    def generator_network(self) -> nn.Module:
        """What the optimizer ``generator`` trains."""

    @abstractmethod
    def generator_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the generator's loss, the verdict included where there is one, and its images."""

    def judged(self, images: Tensor, batch: Batch) -> Tensor:
        """Return what the discriminator sees of real or synthetic ``images`` of a batch; the images unless overridden.

        Args:
            images: ``(batch, channels, *shape)``.
            batch: the batch that they belong to.
        """
        return images

    def network(self, name: str) -> nn.Module:
        """Return the network of the ``generator``, or the ``discriminator``."""
        return self.generator_network if name == "generator" else self.adversary or nn.Module()

    @property
    def discriminators(self) -> Sequence[nn.Module]:
        """The discriminator, where there is one."""
        return [] if self.adversary is None else [self.adversary.discriminator]

    @property
    def differentiates_twice(self) -> bool:
        """Whether the weight of a discriminator is found by two gradients."""
        return self.adversary is not None

    def _optimizers(self) -> dict[str, Optimizer]:
        names = self.config.networks if self.adversary is not None else self.config.networks[:1]
        return {name: self._optimizer_of(name) for name in names}

    def learning_span(self, network: str) -> tuple[float, float]:
        """Return the time of the generator, all of it, or of the discriminator, which joins later."""
        start = self.config.adversarial_start_fraction
        return (start, 1.0) if network == "discriminator" and start < 1 else (0.0, 1.0)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Decide whether the discriminator takes part; only where no gradients wait for a step."""
        if batch_idx % self.config.accumulate_grad_batches:
            return
        start = self.config.adversarial_start_fraction
        due = self.adversary is not None and self.progress_before(batch_idx) >= start
        if due != self._with_discriminator:
            self._with_discriminator = due
            self.adversarial.fill_(due)

    @property
    def with_discriminator(self) -> bool:
        """Whether the discriminator takes part at present."""
        # The buffer is for checkpoints: asking it waits for the GPU.
        return bool(self.adversarial) if self._with_discriminator is None else self._with_discriminator

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take a step of the generator, and one of the discriminator when it takes part."""
        with self.freeze_others("generator"):
            loss, output = self.generator_loss(batch)
            loss = self.update("generator", loss, batch_idx)
        if self.with_discriminator and self.adversary is not None:
            images = batch["image"]
            real, fake = self.judged(images, batch), self.judged(output.detach(), batch)
            with self.freeze_others("discriminator"):
                discriminator_loss = self.adversary.discriminator_loss(real, fake)
                discriminator_loss = self.update("discriminator", discriminator_loss, batch_idx)
            self.log(
                "train_discriminator_loss", discriminator_loss, batch_size=len(images), on_step=False, on_epoch=True
            )
        self.log_loss("train", loss, batch)
        return loss
