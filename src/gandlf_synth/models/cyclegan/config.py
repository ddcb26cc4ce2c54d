"""The configuration of ``cyclegan``."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from gandlf_synth.config import Component, Components, ModelConfig, Setting, Size, Sized
from gandlf_synth.models.components.translation_config import TranslatorArchitecture, translator_keys

_RATES: dict[Size, float] = {"XS": 1e-3, "S": 5e-4}
_DISCRIMINATOR = {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999], "weight_decay": 0.0}
"""Of any size: at 1e-3 its first steps throw it far off, and it then tells a turned contrast from a true one later."""


class CycleGANConfig(ModelConfig):
    """The ``model_config`` section of ``cyclegan``; weights are shares of the discriminators' verdict."""

    networks: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    patches: ClassVar[bool] = True
    keeps_resolution: ClassVar[bool] = True
    condition_kinds: ClassVar[tuple[str, ...]] = ("channels",)
    required_kind: ClassVar[str | None] = "channels"
    compares_sides: ClassVar[bool] = True
    largest_batch: ClassVar[int] = 4
    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 3_000, "M": 10_000, "L": 30_000, "XL": 100_000}

    architecture: Sized[TranslatorArchitecture] = "auto"
    """Both generators and both discriminators, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="l1")
    """The error per voxel between an image and what comes back of it."""
    optimizers: Components = Component.model_validate(
        {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999], "weight_decay": 0.0}
    )
    """The optimizer, or one for the ``generator`` (both of them) and one for the ``discriminator`` (both)."""
    lr_cooldown_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the training, at its end, in which the learning rate falls to zero; not used with ``schedulers``."""
    cycle_weight: float = Field(10.0, gt=0)
    """Weight of the error of images that were translated and translated back."""
    identity_weight: float = Field(0.5, ge=0)
    """Weight, times ``cycle_weight``, of what a generator changes in an image that is of its own side already; used
    where source and target have equally many channels. 0: none."""
    shape_weight: float = Field(0.1, ge=0)
    """Weight of how much the shapes of an image and of its translation differ, against anatomy that moves. 0: none.
    Ten times as much holds a contrast as it is for long that is to be turned."""
    shape_loss: Literal["local_correlation", "mutual_information"] = "local_correlation"
    """How shapes are compared across contrasts: by the squared correlation around every voxel, which a turned contrast
    leaves as it is, or by the information that whole images have of each other."""
    adversarial_loss: Literal["least_squares", "hinge", "bce"] = "least_squares"
    """What the discriminators minimize."""
    pool_size: int = Field(50, ge=0)
    """Past translations of each direction that the discriminators see again, against forgetting. 0: none."""

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return generators of up to four resolutions; thin ones learn at higher rates."""
        generator = {**_DISCRIMINATOR, "lr": _RATES.get(size, 2e-4)}
        optimizers = {"generator": generator, "discriminator": _DISCRIMINATOR}
        return {"architecture": translator_keys(setting, size), "optimizers": optimizers}

    def plan_notes(self, num_epochs: int) -> list[str]:
        """Return what the user should know of translation without pairs."""
        return [
            "translation without pairs may invent or remove findings to match the other side, and no number of this "
            "run shows it; it takes no classes"
        ]
