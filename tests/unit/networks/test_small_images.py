"""Gradients in bfloat16 are those in 32 bits, also where an image is smaller than the kernel."""

from typing import Any

import pytest
import torch
from tests.factories import spec_of
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.models.autoencoder_kl import FAMILY
from gandlf_synth.models.build import build_module
from gandlf_synth.networks.equalized_layers import EqualizedConvolution
from gandlf_synth.networks.small_images import guard_small_images

CASES = [
    (nn.Conv3d(256, 1, 4, padding=1), (3, 3, 3)),
    (nn.Conv3d(64, 64, 3, padding=1), (2, 16, 16)),
    (nn.Conv2d(64, 64, 3, stride=2, padding=1), (16, 1)),
    (nn.ConvTranspose3d(64, 32, 3, padding=1), (2, 2, 2)),
    (EqualizedConvolution(3, 64, 64, kernel=3), (2, 5, 5)),
]


def gradients(network: nn.Module, loss: Any, *, in_16_bits: bool) -> Tensor:
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=in_16_bits):
        value = loss()
    value.backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=lambda case: str(case).partition("(")[0])
def test_a_layer_learns_alike_in_16_and_32_bits(layer: nn.Module, shape: tuple[int, ...]) -> None:
    network = nn.Sequential(layer)
    guard_small_images(network)
    inputs = next(weight for weight in layer.parameters() if weight.ndim > 2)
    channels = inputs.shape[0] if isinstance(layer, nn.ConvTranspose3d) else inputs.shape[1]
    for seed in range(8):  # in 16 bits it was wrong in most of them, not in all
        features = torch.randn(4, channels, *shape, generator=torch.Generator().manual_seed(seed))

        def loss(features: Tensor = features) -> Tensor:
            output: Tensor = network(features).float()
            return output.square().mean()

        low, high = (gradients(network, loss, in_16_bits=bits) for bits in (True, False))

        assert functional.cosine_similarity(low, high, dim=0) > 0.99
        assert 0.9 < low.norm() / high.norm() < 1.1


def test_a_discriminator_of_patches_of_small_volumes_learns_in_16_bits() -> None:
    tiny = dict(FAMILY.tiny)
    tiny["architecture"] = {**tiny["architecture"], "discriminator_channels": 32}
    spec = spec_of(classes=0, shape=(32, 32, 32), spatial_dims=3)
    module: Any = build_module({"model_name": "autoencoder_kl", **tiny, "adversarial_weight": 0.1}, spec)
    images, made = torch.rand(2, 2, spec.num_channels, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    discriminator = module.adversary.discriminator

    def loss() -> Tensor:
        value: Tensor = module.adversary.discriminator_loss(images, made)
        return value

    low, high = (gradients(discriminator, loss, in_16_bits=bits) for bits in (True, False))

    assert functional.cosine_similarity(low, high, dim=0) > 0.98
