"""The configuration of ``latent_diffusion``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    SerializeAsAny,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gandlf_synth.config import (
    ArchitectureConfig,
    Auto,
    ModelConfig,
    NetworkSize,
    Prerequisite,
    Setting,
    Size,
    Sized,
)
from gandlf_synth.config.loading import model_config_class
from gandlf_synth.models.components.denoiser_config import ByDenoiser, DenoiserArchitecture, UNetArchitecture
from gandlf_synth.models.components.diffusion_config import (
    DDPMArchitecture,
    DenoisingModelConfig,
    DiffusionSettings,
    FlowSettings,
    ForwardProcess,
)
from gandlf_synth.models.components.unet_size import unet_keys, unet_optimizer

FIRST_STAGES = ("autoencoder_kl", "vqvae")
_WITHOUT_PRIOR = {"vqvae": {"prior_fraction": 0.0}}
_SHARED = ("labeling_paradigm", "n_dimensions", "n_channels", "tensor_shape")


_WIDER = 4
"""How many times as wide a denoiser of latents is as one of images, which have many more voxels."""


def _latent_shape(shape: Sequence[int], first_stage: ModelConfig) -> list[int]:
    stride = int(getattr(first_stage.architecture, "stride", 1))
    return [-(-length // stride) for length in shape]


def _own_size(written: NetworkSize, size: Size) -> Size:
    return size if written == "auto" else written


class LatentDDPMArchitecture(DDPMArchitecture):
    """The denoiser of the latents and the length of the forward process."""

    num_res_blocks: list[int] | int = 2
    num_channels: list[int] = [64, 128]
    attention_levels: list[bool] = [False, True]
    num_head_channels: int | list[int] = 32


class LatentFlowArchitecture(UNetArchitecture):
    """The denoiser of the latents."""

    num_res_blocks: list[int] | int = 2
    num_channels: list[int] = [64, 128]
    attention_levels: list[bool] = [False, True]
    num_head_channels: int | list[int] = 32


class LatentDDPM(DiffusionSettings):
    """Diffusion of the latents, with the keys of ``ddpm``."""

    usual_sigma: ClassVar[float] = 1.0

    model_name: Literal["ddpm"] = "ddpm"
    """``ddpm`` or ``flow_matching``."""
    architecture: Annotated[
        LatentDDPMArchitecture | ForwardProcess | NetworkSize, ByDenoiser(LatentDDPMArchitecture, ForwardProcess)
    ] = "auto"
    """The network and the length of the forward process, or the size of the network."""
    clip_sample: Literal[False] = False
    """Latents have no bounds."""


class LatentFlow(FlowSettings):
    """A flow of the latents, with the keys of ``flow_matching``."""

    model_name: Literal["flow_matching"]
    """``ddpm`` or ``flow_matching``."""
    architecture: Annotated[
        LatentFlowArchitecture | DenoiserArchitecture | NetworkSize, ByDenoiser(LatentFlowArchitecture)
    ] = "auto"
    """The network, or its size."""
    clip_sample: Literal[False] = False
    """Latents have no bounds."""


_SCHEMA = WithJsonSchema(
    {"type": "object", "required": ["model_name"], "properties": {"model_name": {"enum": list(FIRST_STAGES)}}}
)
"""For editors; the keys of the two families are checked when the configuration is read."""


def _first_stage(value: object) -> ModelConfig:
    if isinstance(value, ModelConfig):
        return value
    if not isinstance(value, dict) or value.get("model_name") not in FIRST_STAGES:
        raise ValueError(f"first_stage needs a model_name: {' or '.join(FIRST_STAGES)}")
    name = value["model_name"]
    return model_config_class(name).model_validate({**_WITHOUT_PRIOR.get(name, {}), **value})


class LatentDiffusionConfig(DenoisingModelConfig):
    """The ``model_config`` section of ``latent_diffusion``; optimizer and losses are those of the second stage."""

    architecture: Sized[ArchitectureConfig] = "auto"
    """The size of the networks that ``first_stage.architecture`` and ``second_stage.architecture`` do not write out."""
    first_stage: Annotated[SerializeAsAny[ModelConfig], BeforeValidator(_first_stage), _SCHEMA] = Field(
        default_factory=lambda: _first_stage({"model_name": "autoencoder_kl"})
    )
    """The autoencoder: a ``model_config`` section of ``autoencoder_kl`` or ``vqvae``."""
    first_stage_batch_size: PositiveInt | Auto = "auto"
    """Images in a training step of the autoencoder; ``batch_size`` is that of the second stage, whose latents are
    smaller."""
    first_stage_checkpoint: str | None = None
    """A trained autoencoder, a checkpoint or a model folder; absent: the same command trains it first."""
    first_stage_fraction: float = Field(0.4, gt=0, lt=1)
    """Share of the run that trains the autoencoder: of the minutes where they are limited; otherwise its epochs are
    this share of the sum of both, and ``num_epochs`` are those of the second stage."""
    second_stage: Annotated[LatentDDPM | LatentFlow, Field(discriminator="model_name")] = LatentDDPM()
    """What learns the latents: ``ddpm`` or ``flow_matching`` with their keys."""

    @field_validator("second_stage", mode="before")
    @classmethod
    def _ddpm_by_default(cls, value: object) -> object:
        return {"model_name": "ddpm", **value} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _stages_see_the_same(self) -> "LatentDiffusionConfig":
        shared = {name: getattr(self, name) for name in _SHARED}
        for name, value in shared.items():
            if getattr(self.first_stage, name) not in ("auto", value):
                raise ValueError(f"first_stage.{name} follows {name} of latent_diffusion; leave it out")
        self.first_stage = self.first_stage.model_copy(update=shared)
        return self

    @property
    def network_size(self) -> NetworkSize | None:
        """The size of the networks that the stages do not write out, or None where both do."""
        if not isinstance(self.architecture, str):
            return None
        written = not self.first_stage.network_size and not isinstance(self.second_stage.architecture, str)
        return None if self.architecture == "auto" and written else self.architecture

    def with_networks(self, setting: Setting, size: Size) -> Self:
        """Return the section with networks of a ``size`` for the stages that write none out."""
        first, second = self.first_stage, self.second_stage
        if first.network_size is not None:
            first = first.with_networks(setting, _own_size(first.network_size, size))
        if isinstance(second.architecture, str):
            latents = replace(setting, shape=_latent_shape(setting.shape, first))
            keys = unet_keys(latents, _own_size(second.architecture, size), widen=_WIDER)
            second = second.model_validate({**dict(second), "architecture": keys})
        values: dict[str, Any] = {"architecture": {}, "first_stage": first, "second_stage": second}
        if "optimizers" not in self.model_fields_set:
            values["optimizers"] = unet_optimizer(size)
        return self.with_values(**values)

    def trained_shape(self, shape: Sequence[int]) -> list[int]:
        """Return the size of the latents."""
        return _latent_shape(shape, self.first_stage)

    def prerequisite(self) -> Prerequisite:
        """Return the autoencoder."""
        path = Path(self.first_stage_checkpoint) if self.first_stage_checkpoint else None
        batch_size = None if self.first_stage_batch_size == "auto" else self.first_stage_batch_size
        return Prerequisite(self.first_stage, self.first_stage_fraction, path, batch_size)
