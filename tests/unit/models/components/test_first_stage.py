"""An autoencoder in windows gives what it gives in one go, as far as a window sees."""

import torch
from torch import nn

from gandlf_synth.models.components.first_stage import apply_in_windows


def test_windows_of_a_local_network_give_the_values_of_the_whole() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 2, stride=2), nn.SiLU(), nn.Conv2d(4, 2, 2, stride=2))
    images = torch.randn(1, 1, 48, 64)

    assert torch.allclose(apply_in_windows(network, images, [16, 16], 0.25), network(images), atol=1e-5)


def test_an_image_that_fits_a_window_is_not_cut() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(1, 4))
    images = torch.randn(1, 1, 16, 16)

    assert torch.equal(apply_in_windows(network, images, [16, 16], 0.25), network(images))
