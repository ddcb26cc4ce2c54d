"""The patch discriminator fits images of any size, and says how many layers are too many."""

import pytest
import torch

from gandlf_synth.errors import ConfigError
from gandlf_synth.networks.patch_discriminator import build_patch_discriminator


@pytest.mark.parametrize("size", [6, 9, 16, 40])
def test_the_discriminator_fits_any_image_it_is_built_for(size: int) -> None:
    discriminator = build_patch_discriminator(shape=(size, size), channels=1, init_channels=4)

    assert discriminator(torch.zeros(1, 1, size, size))[-1].numel() >= 1


def test_layers_that_leave_nothing_of_an_image_are_refused_with_how_many_are_possible() -> None:
    with pytest.raises(
        ConfigError, match="num_layers: is 4, which leaves nothing of an image of 16×16; allowed: 1 to 2"
    ):
        build_patch_discriminator(shape=(16, 16), channels=1, num_layers=4)
