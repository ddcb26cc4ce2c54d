"""Colour augmentations: the neutral ones change nothing, the others what their names say."""

import numpy as np
import pytest
import torch

from gandlf_synth.config import Step
from gandlf_synth.data.processing.augmentations.colour import restained
from gandlf_synth.data.processing.augmenter import Augmenter


def picture(channels: int = 3) -> torch.Tensor:
    return torch.rand((channels, 16, 12), generator=torch.Generator().manual_seed(0)) * 1.2 - 0.6


def augment(name: str, image: torch.Tensor, seed: int = 0, **parameters: object) -> torch.Tensor:
    return Augmenter([Step(name=name, parameters={"probability": 1, **parameters})], image.ndim - 1)(image, seed)


NEUTRAL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}


def test_neutral_jitter_changes_nothing() -> None:
    assert torch.allclose(augment("colorjitter", picture(), **NEUTRAL), picture(), atol=1e-5)


def test_each_factor_does_what_it_says() -> None:
    image = picture()
    light = (image + 1) / 2

    darker = augment("colorjitter", image, **NEUTRAL | {"brightness": [0.5, 0.5]})
    assert torch.allclose((darker + 1) / 2, light / 2, atol=1e-5)
    flat = augment("colorjitter", image, **NEUTRAL | {"contrast": [0.0, 0.0]})
    assert flat.std() < 1e-5
    grey = augment("colorjitter", image, **NEUTRAL | {"saturation": [0.0, 0.0]})
    assert torch.allclose(grey[0], grey[2], atol=1e-6)
    turned = augment("colorjitter", image, **NEUTRAL | {"hue": [1 / 3, 1 / 3]})
    assert torch.allclose(turned[[1, 2, 0]], image, atol=1e-3)  # a third of the circle: red becomes green


@pytest.mark.parametrize("name", ["colorjitter", "hed_transform"])
def test_a_seed_decides_and_shapes_stay(name: str) -> None:
    image = picture()

    assert torch.equal(augment(name, image, 3), augment(name, image, 3))
    assert not torch.equal(augment(name, image, 3), augment(name, image, 4))
    assert not torch.equal(augment(name, image, 3), image)
    volume = torch.rand((1, 6, 5, 4))
    assert augment(name, volume).shape == volume.shape


def test_hed_changes_one_stain_by_its_density() -> None:
    from skimage.color import hed_from_rgb, rgb_from_hed

    stains = np.random.default_rng(0).uniform(0.1, 0.4, (5, 5, 3))
    image = np.exp(-stains @ rgb_from_hed).transpose(2, 0, 1)

    changed = restained(image.astype(np.float32), np.array([0.5, 0, 0]), np.array([0, 0.1, 0]))

    found = -np.log(changed.transpose(1, 2, 0)) @ hed_from_rgb
    assert np.allclose(found, stains * [1.5, 1, 1] + [0, 0.1, 0], atol=1e-3)


def test_glass_stays_as_it_is() -> None:
    glass = torch.full((3, 8, 8), 0.95)

    assert torch.allclose(augment("hed_transform", glass), glass, atol=1e-6)
