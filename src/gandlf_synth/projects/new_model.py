"""The text of a new model and of its test; NAME stands for the model's name."""

MODEL = '''"""NAME: a small variational autoencoder (Kingma & Welling 2014, arXiv 1312.6114); make it your own.

    gandlf-synth --plugin NAME.py train -c config.yaml -dt data.csv -m-dir model    # with model_name: NAME
"""

from collections.abc import Sequence
from math import prod

import torch
from pydantic import Field
from torch import Tensor, nn

from gandlf_synth.config import ArchitectureConfig, Component, Components, ModelConfig
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.config import SamplingOptions
from gandlf_synth.models.base import GenerativeModule, noise_from
from gandlf_synth.models.family import ModelFamily
from gandlf_synth.registry import register


class Architecture(ArchitectureConfig):
    """What may stand under ``architecture`` in the YAML; a text below a field becomes its help."""

    latent_size: int = Field(16, ge=1)
    """Length of the latent vector."""
    hidden_size: int = Field(128, ge=1)
    """Width of the hidden layers."""


class Config(ModelConfig):
    """What may stand under ``model_config`` in the YAML."""

    architecture: Architecture = Architecture()
    """The networks."""
    losses: Components = Component(name="mse")
    """The error of the reconstruction."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 1e-3, "weight_decay": 0.0})
    """The optimizer."""
    kl_weight: float = Field(0.01, ge=0)
    """How strongly the latent vectors are drawn to a standard normal distribution."""


class Model(GenerativeModule[Config]):
    """Images are ``(batch, channels, *shape)`` in [-1, 1]; any size, 2D and 3D."""

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.shape = (spec.num_channels, *spec.shape)
        values, hidden, latent = prod(self.shape), config.architecture.hidden_size, config.architecture.latent_size
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(values, hidden), nn.SiLU(), nn.Linear(hidden, 2 * latent)
        )
        # One embedding per class is added to the latent vector; without labels there is none.
        self.classes = nn.Embedding(spec.num_classes, latent) if spec.num_classes else None
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.SiLU(), nn.Linear(hidden, values), nn.Tanh())
        self.loss = self.build_loss()  # what the YAML names under losses

    def decode(self, latent: Tensor, condition: Condition) -> Tensor:
        """Return images ``(batch, channels, *shape)`` from ``latent (batch, latent_size)``."""
        if self.classes is not None:
            latent = latent + self.classes(condition.class_labels)
        return self.decoder(latent).float().view(-1, *self.shape)

    def step(self, batch: Batch) -> Tensor:
        """Return the loss of a batch: reconstruction error plus the weighted KL divergence (paper, eq. 10)."""
        mean, log_variance = self.encoder(batch["image"]).float().chunk(2, dim=1)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        error = self.loss(self.decode(latent, batch["condition"]), batch["image"]).mean()
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        return error + self.config.kl_weight * divergence

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Random numbers come from torch's generator, which is seeded before every step."""
        loss = self.step(batch)
        self.log_loss("train", loss, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """``val_loss`` decides which checkpoint is the best."""
        self.log_loss("val", self.step(batch), batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss of the test split."""
        self.log_loss("test", self.step(batch), batch)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Every random number comes from the image's own seed, so that an image can be made again alone."""
        latent, _ = noise_from(seeds, (self.config.architecture.latent_size,))
        return self.decode(latent.to(self.device), condition).clamp(-1, 1)


register("models", "NAME")(
    ModelFamily(
        title="A small variational autoencoder",
        paper="Kingma & Welling 2014, arXiv 1312.6114",
        config="NAME:Config",
        module="NAME:Model",
        tiny={"architecture": {"latent_size": 4, "hidden_size": 8}},
    )
)
'''

TEST = '''"""NAME keeps the promises that every model makes: run with pytest."""

from pathlib import Path

import pytest

from gandlf_synth.registry import load_plugin
from gandlf_synth.testing import check_model

load_plugin(Path(__file__).with_name("NAME.py"))


@pytest.mark.parametrize("paradigm", ["unlabeled", "custom"])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_keeps_its_promises(spatial_dims: int, paradigm: str) -> None:
    check_model("NAME", spatial_dims=spatial_dims, paradigm=paradigm)
'''
