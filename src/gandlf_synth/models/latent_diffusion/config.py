"""The configuration of ``latent_diffusion``."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, WithJsonSchema, field_validator, model_validator

from gandlf_synth.config import ArchitectureConfig, ModelConfig, Prerequisite
from gandlf_synth.config.loading import model_config_class
from gandlf_synth.models.components.denoiser_config import ByDenoiser, DenoiserArchitecture, UNetArchitecture
from gandlf_synth.models.components.diffusion_config import (
    DDPMArchitecture,
    DenoisingModelConfig,
    DiffusionSettings,
    FlowSettings,
    ForwardProcess,
)

FIRST_STAGES = ("autoencoder_kl", "vqvae")
_WITHOUT_PRIOR = {"vqvae": {"prior_fraction": 0.0}}
_SHARED = ("labeling_paradigm", "n_dimensions", "n_channels", "tensor_shape")


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
        LatentDDPMArchitecture | ForwardProcess, ByDenoiser(LatentDDPMArchitecture, ForwardProcess)
    ] = LatentDDPMArchitecture()
    """The network and the length of the forward process."""
    clip_sample: Literal[False] = False
    """Latents have no bounds."""


class LatentFlow(FlowSettings):
    """A flow of the latents, with the keys of ``flow_matching``."""

    model_name: Literal["flow_matching"]
    """``ddpm`` or ``flow_matching``."""
    architecture: Annotated[LatentFlowArchitecture | DenoiserArchitecture, ByDenoiser(LatentFlowArchitecture)] = (
        LatentFlowArchitecture()
    )
    """The network."""
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

    architecture: ArchitectureConfig = ArchitectureConfig()
    """Empty: the networks are in ``first_stage.architecture`` and ``second_stage.architecture``."""
    first_stage: Annotated[SerializeAsAny[ModelConfig], BeforeValidator(_first_stage), _SCHEMA] = Field(
        default_factory=lambda: _first_stage({"model_name": "autoencoder_kl"})
    )
    """The autoencoder: a ``model_config`` section of ``autoencoder_kl`` or ``vqvae``."""
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

    def prerequisite(self) -> Prerequisite:
        """Return the autoencoder."""
        path = Path(self.first_stage_checkpoint) if self.first_stage_checkpoint else None
        return Prerequisite(self.first_stage, self.first_stage_fraction, path)
