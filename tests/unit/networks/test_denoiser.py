"""The U-Net of diffusion and flow matching, used without a configuration."""

from typing import Any

import pytest
import torch
from monai.networks.blocks.spatialattention import SpatialAttentionBlock
from torch import Tensor, nn

from gandlf_synth.models.components.denoiser_config import UNetArchitecture
from gandlf_synth.networks.denoiser import UNetDenoiser


def denoiser_of(**sizes: Any) -> UNetDenoiser:
    """Return a small U-Net in which everything that it gets matters: its weights are random, none is 0."""
    torch.manual_seed(0)
    network = UNetDenoiser(
        spatial_dims=2, in_channels=1, num_channels=(8, 8), attention_levels=(False, True), norm_num_groups=4, **sizes
    )
    for weights in network.parameters():
        nn.init.normal_(weights, std=0.2)
    return network.eval()


def predicted(network: UNetDenoiser, **condition: Tensor) -> Tensor:
    noisy = torch.randn(2, 1, 9, 7, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return network(noisy, torch.tensor([3, 700]), **condition)


def test_it_returns_the_size_that_it_gets_and_the_channels_that_are_asked_for() -> None:
    assert predicted(denoiser_of(out_channels=3)).shape == (2, 3, 9, 7)


def test_a_class_that_is_not_known_is_none() -> None:
    network = denoiser_of(num_classes=2)

    without = predicted(network)

    assert torch.equal(predicted(network, class_labels=torch.tensor([-1, -1])), without)
    assert torch.equal(predicted(network, class_labels=torch.tensor([2, 2])), without)
    assert not torch.allclose(predicted(network, class_labels=torch.tensor([0, 1])), without)


def test_numbers_and_images_condition_it_and_none_is_zero() -> None:
    network = denoiser_of(num_classes=2, vector_size=3, condition_channels=2)
    vector, channels = torch.randn(2, 3), torch.randn(2, 2, 9, 7)

    without = predicted(network)

    assert torch.equal(predicted(network, vector=torch.zeros(2, 3), channels=torch.zeros(2, 2, 9, 7)), without)
    assert not torch.allclose(predicted(network, vector=vector), without)
    assert not torch.allclose(predicted(network, channels=channels), without)


def test_numbers_and_classes_leave_self_attention_where_it_is() -> None:
    def attentions_of(network: UNetDenoiser) -> list[str]:
        return [name for name, module in network.named_modules() if isinstance(module, SpatialAttentionBlock)]

    assert attentions_of(denoiser_of(num_classes=2, vector_size=3)) == attentions_of(denoiser_of()) != []


@pytest.mark.parametrize("with_conditioning", [False, True])
def test_the_class_of_the_configuration_builds_the_same_network(with_conditioning: bool) -> None:
    architecture = UNetArchitecture(
        num_channels=[8, 8], attention_levels=[False, True], num_res_blocks=2, norm_num_groups=4,
        with_conditioning=with_conditioning,
    )  # fmt: skip
    built = architecture.build(spatial_dims=2, in_channels=1, out_channels=1, num_classes=2)
    plain = UNetDenoiser(
        spatial_dims=2, in_channels=1, num_channels=[8, 8], attention_levels=[False, True], norm_num_groups=4,
        with_conditioning=with_conditioning, num_classes=2,
    )  # fmt: skip

    shapes = {name: weights.shape for name, weights in built.state_dict().items()}
    assert shapes == {name: weights.shape for name, weights in plain.state_dict().items()}


def test_dropout_acts_in_training_only_and_adds_no_weights() -> None:
    plain, dropping = denoiser_of(), denoiser_of(dropout=0.5)
    dropping.load_state_dict(plain.state_dict())

    assert torch.equal(predicted(dropping), predicted(plain))
    dropping.train()
    assert not torch.allclose(predicted(dropping), predicted(plain))
