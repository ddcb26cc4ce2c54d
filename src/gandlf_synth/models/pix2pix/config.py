"""The configuration of ``pix2pix``."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from gandlf_synth.config import ByNetwork, Component, Components, Setting, Size, Sized
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig
from gandlf_synth.models.components.translation_config import TranslatorArchitecture, translator_keys

_RATES: dict[Size, float] = {"XS": 2e-3, "S": 1e-3, "M": 5e-4, "L": 3e-4, "XL": 2e-4}
_DISCRIMINATOR = {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999], "weight_decay": 0.0}


class Pix2PixArchitecture(TranslatorArchitecture):
    """The generator and the discriminator of patches."""

    noise_channels: int = Field(0, ge=0)
    """Channels of noise that the generator gets beside the images, from the seed of each image; 0: one image for one
    condition. With l1 alone the generator learns to pay no regard to it (Isola et al. 2017, section 3.2.1)."""


class Pix2PixConfig(ReconstructionConfig):
    """The ``model_config`` section of ``pix2pix``."""

    networks: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    patches: ClassVar[bool] = True
    keeps_resolution: ClassVar[bool] = True
    condition_kinds: ClassVar[tuple[str, ...]] = ("class", "vector", "channels")
    required_kind: ClassVar[str | None] = "channels"
    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 1_000, "M": 3_000, "L": 10_000, "XL": 30_000}

    architecture: Sized[Pix2PixArchitecture] = "auto"
    """The networks, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="l1")
    """The error per voxel between the image that is made and the real one."""
    optimizers: Components = ByNetwork.model_validate(
        {"generator": {"name": "adamw", "lr": 5e-4, "weight_decay": 0.01}, "discriminator": _DISCRIMINATOR}
    )
    """The optimizer, or one for the ``generator`` and one for the ``discriminator``."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
    adversarial_start_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the training after which the discriminator joins."""

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a generator of up to four resolutions; thin ones learn at higher rates."""
        generator = {"name": "adamw", "lr": _RATES[size], "weight_decay": 0.01}
        return {
            "architecture": translator_keys(setting, size),
            "optimizers": {"generator": generator, "discriminator": _DISCRIMINATOR},
        }
