"""The configuration of ``stylegan``; defaults of the architecture are those of the existing GaNDLF-Synth."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, PositiveFloat, model_validator

from gandlf_synth.config import (
    THIN,
    ArchitectureConfig,
    Component,
    Components,
    Setting,
    Size,
    Sized,
    Stretch,
    resolved,
)
from gandlf_synth.models.components.gan_config import GANConfig, adam_without_decay

_STAGES = 8
_EPOCHS = 30.0
_WIDTHS: dict[Size, int] = {"XS": 64, "S": 128, "M": 256, "L": 384, "XL": 512}
"""Channels of a picture's coarsest stages, half as many for volumes; and numbers of a style."""
_RATE_OF_THIN = 3e-3
"""Thin networks, which short trainings have, learn three times as fast."""
_COARSEST_SIDES = range(4, 10)
_FULL_WIDTH_STAGES = 2


def _fraction(value: object) -> object:
    """Return the number of a text ``a/b``, which YAML does not read as a number; everything else as it is."""
    if not isinstance(value, str) or value.count("/") != 1:
        return value
    numerator, denominator = value.split("/")
    try:
        return float(numerator) / float(denominator)
    except (ValueError, ZeroDivisionError):
        return value


Factor = Annotated[float, Field(gt=0), BeforeValidator(_fraction, json_schema_input_type=float | str)]


def default_factors(stages: int) -> list[float]:
    """Return 1 for the first three stages and then one half of the stage before."""
    return [1.0 / 2 ** max(0, stage - 2) for stage in range(stages)]


class StyleGANArchitecture(ArchitectureConfig):
    """Both networks grow by one resolution per stage; lists have one entry per stage."""

    latent_vector_size: int = Field(512, ge=1)
    """Numbers from which an image is made."""
    intermediate_latent_size: int = Field(512, ge=1)
    """Size of a style."""
    first_conv_channels: int = Field(512, ge=1)
    """Feature channels of a stage whose scaling factor is 1."""
    alpha: float = Field(1e-7, ge=0, le=1)
    """Weight of a new resolution when its stage begins; it grows to 1 over the first half of the stage."""
    gradient_penalty_weight: float = Field(10.0, ge=0)
    """Weight of the critic's gradient penalty."""
    critic_squared_loss_weight: float = Field(0.001, ge=0)
    """Weight of the squared scores of real images, which keeps them from drifting."""
    progressive_size_starting_value: int = Field(4, ge=1)
    """Longest side of an image in the first stage."""
    progressive_size_growth_factor: int = Field(2, ge=2)
    """Factor of the size from one stage to the next."""
    progressive_layers_scaling_factors: list[Factor] = Field(default_factors(_STAGES), min_length=1)
    """Share of ``first_conv_channels`` in each stage; absent: as many as progressive_epochs."""
    progressive_epochs: list[PositiveFloat] = Field([_EPOCHS] * _STAGES, min_length=1)
    """Epochs of each stage; absent: 30 each. The last stage lasts for the rest of the run."""
    pads_images: bool = False
    """Whether images keep the size of ``tensor_shape``, padded for the networks and cut out of what they make; else
    they have the size of the last stage."""

    @model_validator(mode="after")
    def _one_entry_per_stage(self) -> Self:
        factors, epochs = self.progressive_layers_scaling_factors, self.progressive_epochs
        written = self.model_fields_set & {"progressive_layers_scaling_factors", "progressive_epochs"}
        if written == {"progressive_layers_scaling_factors"}:
            self.progressive_epochs = [_EPOCHS] * len(factors)
        elif written == {"progressive_epochs"}:
            self.progressive_layers_scaling_factors = default_factors(len(epochs))
        elif len(factors) != len(epochs):
            raise ValueError(
                f"progressive_layers_scaling_factors has {len(factors)} entries but progressive_epochs has "
                f"{len(epochs)}; both need one per stage, {len(factors)} or {len(epochs)}"
            )
        return self

    @model_validator(mode="after")
    def _every_stage_has_channels(self) -> Self:
        least = min(self.progressive_layers_scaling_factors)
        if least * self.first_conv_channels < 1:
            raise ValueError(
                f"progressive_layers_scaling_factors: {least:g} of first_conv_channels {self.first_conv_channels} "
                f"leaves no channel; the least is 1/{self.first_conv_channels}"
            )
        return self

    @property
    def num_stages(self) -> int:
        """The number of stages."""
        return len(self.progressive_epochs)

    @property
    def stage_channels(self) -> list[int]:
        """The feature channels of every stage."""
        return [round(self.first_conv_channels * factor) for factor in self.progressive_layers_scaling_factors]

    @property
    def final_size(self) -> int:
        """The side of an image in the last stage."""
        return self.size_at(self.num_stages - 1)

    def size_at(self, stage: int) -> int:
        """Return the longest side of an image in ``stage``, counted from 0."""
        factor: int = self.progressive_size_growth_factor**stage
        return self.progressive_size_starting_value * factor

    def position(self, epochs: float) -> tuple[int, float]:
        """Return the stage after so many ``epochs`` and the weight of its resolution."""
        stage = 0
        while stage < self.num_stages - 1 and epochs >= self.progressive_epochs[stage]:
            epochs -= self.progressive_epochs[stage]
            stage += 1
        return stage, min(1.0, self.alpha + 2 * epochs / self.progressive_epochs[stage]) if stage else 1.0


class StyleGANConfig(GANConfig):
    """The ``model_config`` section of ``stylegan``."""

    equalized: ClassVar[bool] = True

    architecture: Sized[StyleGANArchitecture] = "auto"
    """The networks and their stages, which also decide the size of images, or the networks' size; ``auto``: for data,
    device and time."""
    losses: Components = Component(name="plain_mean")
    """The loss of the critic's scores; plain_mean is the Wasserstein loss."""
    optimizers: Components = adam_without_decay(lr=1e-3, betas=(0.0, 0.99))
    """The optimizer of both networks, or one for each; learning rates are for equalized weights, which decay
    (coupled ``weight_decay``) would pull harder than the gradient does."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, warmed up; samples come from the average. 0: off."""
    default_forward_step: int | None = Field(None, ge=0)
    """Stage to generate from, counted from 0; absent, or not reached: the last that was trained."""

    @model_validator(mode="after")
    def _stage_exists(self) -> Self:
        if isinstance(self.architecture, str):
            return self
        last = self.architecture.num_stages - 1
        if self.default_forward_step is not None and self.default_forward_step > last:
            raise ValueError(
                f"default_forward_step {self.default_forward_step} is beyond the last of {last + 1} stages, "
                f"which are counted from 0; the largest is {last}"
            )
        return self

    def required_shape(self, spatial_dims: int) -> list[int] | None:
        """Return the size of the last stage along each axis; None while the stages are not known, or images padded."""
        networks = self.architecture
        return None if isinstance(networks, str) or networks.pads_images else [networks.final_size] * spatial_dims

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return networks whose stages last as long as the run, the last of them twice as long as the others.

        Images of another size than that of the last stage are padded.
        """
        width = _WIDTHS[size]
        start, stages = _progression(setting.longest)
        share = setting.epochs / (stages + 1)
        architecture = {
            "latent_vector_size": width,
            "intermediate_latent_size": width,
            "first_conv_channels": width // (setting.dims - 1),
            "progressive_size_starting_value": start,
            "progressive_layers_scaling_factors": [
                2.0 ** min(0, _FULL_WIDTH_STAGES - 1 - stage) for stage in range(stages)
            ],
            "progressive_epochs": [*[round(share, 2)] * (stages - 1), round(2 * share, 2)],
        }
        if set(setting.shape) != {start * 2 ** (stages - 1)}:
            architecture["pads_images"] = True
        thin = adam_without_decay(lr=_RATE_OF_THIN, betas=(0.0, 0.99))
        return {"architecture": architecture} | ({"optimizers": thin} if size in THIN else {})

    def stretches(self) -> Sequence[Stretch]:
        """Return the stages, each while its resolution is faded in."""
        epochs = resolved(self.architecture).progressive_epochs
        begun = [sum(epochs[:stage]) for stage in range(len(epochs))]
        total = sum(epochs)
        return [Stretch(own / total, (start + own / 4) / total) for start, own in zip(begun, epochs, strict=True)]

    def plan_notes(self, num_epochs: int) -> list[str]:
        """Say so, too, when the run ends before the last stage is faded in."""
        architecture, notes = resolved(self.architecture), super().plan_notes(num_epochs)
        stage, alpha = architecture.position(num_epochs)
        if stage == architecture.num_stages - 1 and alpha == 1:
            return notes
        needed = sum(architecture.progressive_epochs)
        return [
            *notes,
            f"num_epochs {num_epochs} ends in stage {stage} of 0 to {architecture.num_stages - 1}, where images have "
            f"{architecture.size_at(stage)} voxels a side and are enlarged to {architecture.final_size}; all stages "
            f"take {needed:g} epochs",
        ]


def _progression(longest: int) -> tuple[int, int]:
    """Return the side of the first stage and the number of stages that end nearest above ``longest``."""
    candidates = []
    for start in _COARSEST_SIDES:
        stages = 1
        while start * 2 ** (stages - 1) < longest:
            stages += 1
        candidates.append((start * 2 ** (stages - 1), start, stages))
    _, start, stages = min(candidates)
    return start, stages
