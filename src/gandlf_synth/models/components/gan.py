"""What the families of generative adversarial networks share (Goodfellow et al. 2014, arXiv 1406.2661)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.losses import build_loss
from gandlf_synth.losses.adversarial import AdversarialLoss, adversarial_loss
from gandlf_synth.models.base import C
from gandlf_synth.models.components.energy_distance import EnergyDistance
from gandlf_synth.models.components.multi_optimizer import MultiOptimizerModule
from gandlf_synth.models.health import SampleHealth, Symptom, sample_symptoms
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share

N = TypeVar("N", bound=nn.Module)

_HEALTH_EVERY = 8
"""Training steps between looks at the images."""
_SATURATED = 0.97
"""The share of real and of synthetic images that a discriminator must tell apart to count as saturated."""


class DiscriminatorTurn(NamedTuple):
    """What the discriminator's turn gives: its loss, and the scores ``(batch,)`` of real and synthetic images."""

    loss: Tensor
    real_scores: Tensor
    fake_scores: Tensor


class GenerativeAdversarialNetwork(MultiOptimizerModule[C]):
    """A generator and a discriminator that take turns on every batch.

    The losses of a GAN say how the game stands, not how good the images are. ``val_loss`` and ``test_loss`` are
    therefore the energy distance (see ``EnergyDistance``) between the images of the split and as many synthetic ones of
    the same classes, from seeds that are the same in every epoch: 0 at best, and comparable between epochs and runs on
    the same split.

    A subclass sets ``generator`` and ``discriminator``, gives the loss of each, and calls ``take_turns`` from
    ``training_step``.
    """

    generator: nn.Module
    discriminator: nn.Module
    against_saturation = "lower the discriminator's learning rate, or augment what it sees"

    def __init__(self, config: C, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self._distance = EnergyDistance()
        self._health = SampleHealth()
        self._losses = nn.ModuleDict(
            {name: build_loss(self._component("losses", name), "model_config.losses") for name in config.networks}
        )

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update both networks."""

    @abstractmethod
    def _discriminator_turn(self, real: Tensor, fake: Tensor, class_labels: Tensor | None) -> DiscriminatorTurn:
        """Return the discriminator's loss and scores, regularization included.

        Args:
            real: images ``(batch, channels, *spatial)``.
            fake: synthetic images of the same shape, without gradients.
            class_labels: the classes ``(batch,)`` of both, or None.
        """

    @abstractmethod
    def _generator_loss(self, fake: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return the generator's loss, regularization included, from its images ``(batch, channels, *spatial)``."""

    def network(self, name: str) -> nn.Module:
        """Return the generator or the discriminator."""
        return self.generator if name == "generator" else self.discriminator

    def loss_of(self, network: str) -> AdversarialLoss:
        """Return the loss of the ``generator`` or the ``discriminator``, without regularization."""
        return adversarial_loss(self._losses[network])

    @property
    def second_derivatives(self) -> Sequence[str]:
        """The keys of ``model_config`` that are not 0 and ask for the derivative of a derivative."""
        return ()

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return both networks; see ``GenerativeModule.networks_to_compile``."""
        if self.second_derivatives:
            what = "networks that are compiled have no second derivatives, which the gradient penalties need"
            keys = " and ".join(f"model_config.{key}: 0" for key in self.second_derivatives)
            raise ConfigError(Problem("compute.compile: true", what, fix=f"leave it out, or set {keys}"))
        return [self.generator, self.discriminator]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return both networks."""
        return [self.generator, self.discriminator]

    @property
    def turns(self) -> int:
        """The number of times that the networks have taken turns."""
        return int(self.trainer.global_step) // len(self.config.networks)

    def take_turns(self, batch: Batch, batch_idx: int, real: Tensor, fake: Tensor) -> DiscriminatorTurn:
        """Update the discriminator, then the generator, on the same images; log both losses.

        Args:
            batch: the batch, for its classes.
            batch_idx: its number in the epoch.
            real: images ``(batch, channels, *spatial)``.
            fake: synthetic images of the same shape and classes, with the generator's gradients.
        """
        class_labels = batch["condition"].class_labels
        with self.freeze_others("discriminator"):
            turn = self._discriminator_turn(real, fake.detach(), class_labels)
            discriminator_loss = self.update("discriminator", turn.loss, batch_idx)
        with self.freeze_others("generator"):
            generator_loss = self.update("generator", self._generator_loss(fake, class_labels), batch_idx)
        losses = {"train_discriminator_loss": discriminator_loss, "train_generator_loss": generator_loss}
        self.log_dict(losses, batch_size=len(batch["image"]), on_step=False, on_epoch=True)
        self._observe(real, fake, class_labels, turn)
        return turn

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Set synthetic images from fixed seeds beside the batch."""
        self._compare(batch, batch_idx)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Set synthetic images from fixed seeds beside the batch."""
        self._compare(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Log the energy distance on the validation split."""
        self.log("val_loss", self._distance.compute(), sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log the energy distance on the test split."""
        self.log("test_loss", self._distance.compute(), sync_dist=True)

    def _compare(self, batch: Batch, batch_idx: int) -> None:
        real = batch["image"]
        rank, _ = data_share(self._trainer)
        seeds = [fold_seed(0, Purpose.VALIDATION_IMAGE, rank, batch_idx, place) for place in range(len(real))]
        self._distance.update(real, self.sample(seeds, batch["condition"], SamplingOptions()))

    def _observe(self, real: Tensor, fake: Tensor, class_labels: Tensor | None, turn: DiscriminatorTurn) -> None:
        """Take note of a step now and then, for ``symptoms``."""
        if self.turns % _HEALTH_EVERY:
            return
        self._health.observe(real, fake, class_labels)
        decision_score = self.loss_of("discriminator").decision_score
        self._health.add("right on real", (turn.real_scores > decision_score).float().mean())
        self._health.add("right on fake", (turn.fake_scores < decision_score).float().mean())

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong at present, or None before enough has been seen since the last reading."""
        values = self._health.read()
        if values is None:
            return None
        symptoms = sample_symptoms(values)
        accuracy = min(values["right on real"], values["right on fake"]) / values["readings"]
        if accuracy > _SATURATED:
            what = f"it tells {accuracy:.0%} of real and synthetic images apart, so the generator learns little"
            symptoms.append(Symptom("discriminator saturated", what, self.against_saturation))
        return symptoms


def in_fast_layout(images: Tensor) -> Tensor:
    """Return ``images`` with channels last in memory, several times faster for convolutions on CPUs."""
    return images.contiguous(memory_format=_layout(images.ndim - 2))


def fast_layout(network: N, spatial_dims: int) -> N:
    """Return ``network`` with its convolutions' weights laid out as ``in_fast_layout`` lays out images."""
    network.to(memory_format=_layout(spatial_dims))  # type: ignore[call-overload]
    return network


def _layout(spatial_dims: int) -> torch.memory_format:
    return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
