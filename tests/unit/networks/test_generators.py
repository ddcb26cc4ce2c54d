"""Generators and discriminators work without a configuration, for any size in 2D and 3D, with and without classes."""

import pytest
import torch
from torch import Tensor

from gandlf_synth.errors import ConfigError
from gandlf_synth.networks import dcgan, stylegan, stylegan2
from gandlf_synth.networks.noise_inputs import random_noise, seeded_noise

SHAPES = [(33, 17), (5, 3), (13, 9, 3)]
STYLES = {"latent_vector_size": 8, "intermediate_latent_size": 6}
WIDTHS = {"channel_base": 64, "channel_max": 8}


def labels_of(num_classes: int) -> Tensor | None:
    return torch.arange(3) % num_classes if num_classes else None


@pytest.mark.parametrize("num_classes", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_dcgan_scores_what_it_makes(shape: tuple[int, ...], num_classes: int) -> None:
    sizes = {"shape": shape, "channels": 2, "num_classes": num_classes}
    generator = dcgan.Generator(**sizes, latent_vector_size=8, init_channels=8, upsampling="linear")
    discriminator = dcgan.Discriminator(**sizes, init_channels=4, norm="none", spectral_norm=True)

    images = generator(torch.randn(3, 8), labels_of(num_classes))

    assert images.shape == (3, 2, *shape)
    assert images.abs().max() <= 1
    assert discriminator(images, labels_of(num_classes)).shape == (3,)


@pytest.mark.parametrize("num_classes", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_stylegan_scores_what_it_makes_in_every_stage(shape: tuple[int, ...], num_classes: int) -> None:
    sizes = {"shape": shape, "channels": 2, "num_classes": num_classes, "stage_channels": [8, 8, 4]}
    generator, critic = stylegan.Generator(**sizes, **STYLES), stylegan.Discriminator(**sizes)
    labels = labels_of(num_classes)

    for stage, size in enumerate(stylegan.stage_shapes(shape, 3)):
        images = generator(torch.randn(3, 8), labels, random_noise(3), stage, 0.5)
        assert images.shape == (3, 2, *size)
        assert critic(images, labels, stage, 0.5).shape == (3,)


@pytest.mark.parametrize("num_classes", [0, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_stylegan2_scores_what_it_makes(shape: tuple[int, ...], num_classes: int) -> None:
    sizes = {"shape": shape, "channels": 2, "num_classes": num_classes, **WIDTHS}
    generator, discriminator = stylegan2.Generator(**sizes, **STYLES), stylegan2.Discriminator(**sizes)
    styles = generator.mapping(torch.randn(3, 8), labels_of(num_classes))

    images = generator(styles[:, None].expand(-1, generator.num_styles, -1), random_noise(3))

    assert images.shape == (3, 2, *shape)
    assert discriminator(images, labels_of(num_classes)).shape == (3,)


def test_groups_that_do_not_divide_are_refused_under_the_name_of_the_argument() -> None:
    with pytest.raises(ConfigError, match=r"^norm_num_groups: 6 does not divide the 16 channels .* does is 4"):
        dcgan.Generator(shape=(8, 8), channels=1, init_channels=16, norm="group", norm_num_groups=6)


def test_the_noise_of_an_image_does_not_depend_on_the_others() -> None:
    def generators(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    together, alone = seeded_noise(generators(1, 2))((4, 3)), seeded_noise(generators(2))((4, 3))

    assert together.shape == (2, 1, 4, 3)
    assert torch.equal(together[1:], alone)
