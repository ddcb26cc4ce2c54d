"""A small convolutional network with seeded random weights, for regression tests."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork
from gandlf_synth.metrics.extractors.weights import refuse_weights

NAME = "random-conv"
_SEED = 2024
_FEATURES = 32


def random_conv(weights: Path | None = None) -> Extractor:
    """Return three random convolutions; mean and deviation of each of the 32 last maps are the 64 features.

    Raises:
        ConfigError: weights are given.
    """
    refuse_weights(weights, NAME)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.Conv2d(32, _FEATURES, 3)
        ).eval()

    def moments(convolutions: nn.Module, planes: Tensor) -> Tensor:
        maps = convolutions(planes)
        return torch.cat([maps.mean(dim=(2, 3)), maps.std(dim=(2, 3))], dim=1)

    caution = "random weights, for regression tests only: do not publish these numbers"
    return Extractor(
        NAME,
        FeatureNetwork(network, moments),
        f"seeded {_SEED}, no file",
        64,
        caution=caution,
        layers=tuple(network),
    )
