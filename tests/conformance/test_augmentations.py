"""Every registered augmentation keeps its promises, and the checker finds those that do not."""

import numpy as np
import pytest
import torch
import torchio

from gandlf_synth import registry
from gandlf_synth.data.processing.base import Augmentation, Shape
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_augmentation

COLORS = {"colorjitter", "hed_transform"}


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("name", registry.names("augmentations"))
def test_augmentation_keeps_its_promises(name: str, spatial_dims: int) -> None:
    check_augmentation(name, spatial_dims=spatial_dims, num_channels=3 if name in COLORS else 1)


class Unseeded(Augmentation):
    """Takes its chance from a generator that no seed reaches."""

    def build(self, shape: Shape) -> torchio.Transform:
        return torchio.Lambda(lambda image: image + np.random.default_rng().uniform(0, 0.1))


def test_broken_promises_are_named(plugins: None) -> None:
    register("augmentations", "unseeded")(Unseeded)

    with pytest.raises(PluginError) as error:
        check_augmentation("unseeded")

    assert "augmentations.unseeded, 3D: breaks a promise: the same seed gives the same image" in str(error.value)
    assert "keeps the shape" not in str(error.value)


class Idle(Augmentation):
    """Does nothing."""

    def build(self, shape: Shape) -> torchio.Transform:
        return torchio.Lambda(torch.clone)


def test_an_augmentation_that_does_nothing_is_found(plugins: None) -> None:
    register("augmentations", "idle")(Idle)

    with pytest.raises(PluginError, match="it changes images; it gives the image itself for 6 seeds"):
        check_augmentation("idle", spatial_dims=2)
