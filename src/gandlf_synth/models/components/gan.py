"""What the families of generative adversarial networks share (Goodfellow et al. 2014, arXiv 1406.2661)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.losses import build_loss
from gandlf_synth.losses.adversarial import Hinge, PlainMean
from gandlf_synth.models.base import C, SamplingOptions
from gandlf_synth.models.components.energy_distance import EnergyDistance
from gandlf_synth.models.components.multi_optimizer import AdversarialModule
from gandlf_synth.models.health import SampleHealth, Symptom, sample_symptoms
from gandlf_synth.provenance import Purpose, fold_seed

N = TypeVar("N", bound=nn.Module)

_HEALTH_EVERY = 8
"""Training steps between looks at the images."""


class GenerativeAdversarialNetwork(AdversarialModule[C]):
    """A generator and a discriminator that take turns on every batch.

    The losses of a GAN say how the game stands, not how good the images are. ``val_loss`` and ``test_loss`` are
    therefore the energy distance (see ``EnergyDistance``) between the images of the split and as many synthetic ones of
    the same classes, from seeds that are the same in every epoch: 0 at best, and comparable between epochs and runs on
    the same split. A subclass sets ``generator`` and ``discriminator``.
    """

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, config: C, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self._distance = EnergyDistance()
        self._health = SampleHealth()
        self._losses = nn.ModuleDict({name: self._loss_of(name) for name in self.config.networks})

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Update both networks."""

    def network(self, name: str) -> nn.Module:
        """Return the generator or the discriminator."""
        return self.generator if name == "generator" else self.discriminator

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

    @property
    def turns(self) -> int:
        """The number of times that the networks have taken turns."""
        return int(self.trainer.global_step) // len(self.config.networks)

    def real(self, batch: Batch) -> Tensor:
        """Return the real images of ``batch`` in the memory layout in which convolutions are fastest."""
        return in_fast_layout(batch["image"])

    def log_turns(self, batch: Batch, **losses: Tensor) -> None:
        """Record the loss of each network as ``train_{network}_loss``."""
        for name, loss in losses.items():
            self.log(f"train_{name}_loss", loss, batch_size=len(batch["image"]), on_step=False, on_epoch=True)

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
        seeds = [
            fold_seed(0, Purpose.VALIDATION_IMAGE, self.global_rank, batch_idx, place) for place in range(len(real))
        ]
        self._distance.update(real, self.sample(seeds, batch["condition"], SamplingOptions()))

    def watch(
        self, real: Tensor, fake: Tensor, class_labels: Tensor | None, real_scores: Tensor, fake_scores: Tensor
    ) -> None:
        """Take note of a step now and then, for ``symptoms``; scores are the discriminator's, ``(batch,)``."""
        if self.turns % _HEALTH_EVERY:
            return
        self._health.observe(real, fake, class_labels)
        middle = self.decision_score
        self._health.add("right on real", (real_scores > middle).float().mean())
        self._health.add("right on fake", (fake_scores < middle).float().mean())

    @property
    def decision_score(self) -> float:
        """The score half-way between real and synthetic; NaN for a critic, which does not decide."""
        loss = self._losses["discriminator"]
        if isinstance(loss, PlainMean):
            return float("nan")
        return 0.0 if isinstance(loss, Hinge | nn.BCELoss | nn.BCEWithLogitsLoss) else 0.5

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong at present, or None before enough has been seen since the last reading."""
        values = self._health.read()
        if values is None:
            return None
        found = sample_symptoms(values)
        right = min(values["right on real"], values["right on fake"]) / values["readings"]
        if right > 0.97:
            found.append(
                Symptom(
                    "discriminator saturated",
                    f"it tells {right:.0%} of real and synthetic images apart, so the generator learns little",
                    self.against_saturation,
                )
            )
        return found

    against_saturation = "lower the discriminator's learning rate, or augment what it sees"

    def _loss_of(self, network: str) -> nn.Module:
        return build_loss(self._component("losses", network), "model_config.losses")


def in_fast_layout(images: Tensor) -> Tensor:
    """Return ``images`` with channels last in memory, several times faster for convolutions on CPUs."""
    return images.contiguous(memory_format=_layout(images.ndim - 2))


def fast_layout(network: N, spatial_dims: int) -> N:
    """Return ``network`` with its convolutions' weights laid out as ``in_fast_layout`` lays out images."""
    network.to(memory_format=_layout(spatial_dims))  # type: ignore[call-overload]
    return network


def _layout(spatial_dims: int) -> torch.memory_format:
    return torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
