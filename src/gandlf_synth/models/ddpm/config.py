"""The configuration of ``ddpm``."""

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gandlf_synth.config import Component, Components, ModelConfig
from gandlf_synth.models.components.denoiser_config import UNetArchitecture


class DDPMArchitecture(UNetArchitecture):
    """The denoiser and the length of the forward process."""

    num_train_timesteps: int = Field(1000, ge=1)
    """Steps of the forward process."""
    num_eval_timesteps: int | None = Field(None, ge=1)
    """Steps of ancestral sampling, as in the existing GaNDLF-Synth; absent: the fast sampler's own."""


class DiffusionSettings(BaseModel):
    """Schedule, objective, guidance and sampler."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    architecture: DDPMArchitecture = DDPMArchitecture()
    """The network and the length of the forward process."""
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "v_prediction"
    """What the network predicts: the noise, the clean image, or v."""
    beta_schedule: Literal["linear", "scaled_linear", "cosine", "sigmoid"] = "cosine"
    """How noise grows over the timesteps."""
    zero_terminal_snr: bool = True
    """End the forward process in pure noise, so that samples have the right brightness; not with ``epsilon``."""
    min_snr_gamma: float | None = Field(None, gt=0)
    """Limit on the weight of easy noise levels (5 is usual); absent: every level counts by its plain error."""
    label_dropout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of training samples whose class is hidden, for classifier-free guidance."""
    guidance_scale: float = Field(1.0, ge=0)
    """Strength of classifier-free guidance; 1 is the conditional model itself and the fastest."""
    guidance_interval: tuple[float, float] | None = None
    """Noise levels (sigma / signal, from above the first to the second) at which guidance acts; absent: all."""
    guidance_rescale: float = Field(0.0, ge=0, le=1)
    """How far guided outputs are scaled back to the spread of unguided ones; 0.7 is usual with strong guidance."""
    clip_sample: bool = True
    """Keep predicted images in the data's range while sampling."""
    sampler: Literal["ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "heun"] | None = None
    """The solver; absent: ``ddim``, or ``ddpm`` (ancestral) where num_eval_timesteps is given."""
    num_inference_steps: int | None = Field(None, ge=1)
    """Denoising steps; absent: 50, or num_eval_timesteps where it is given."""

    @model_validator(mode="after")
    def _snr_fits_prediction(self) -> Self:
        written = "zero_terminal_snr" in self.model_fields_set
        if self.prediction_type == "epsilon" and self.zero_terminal_snr:
            if written:
                raise ValueError(
                    "zero_terminal_snr needs prediction_type v_prediction or sample: noise says nothing at zero SNR"
                )
            self.zero_terminal_snr = False
        return self


class DDPMConfig(DiffusionSettings, ModelConfig):
    """The ``model_config`` section of ``ddpm``."""

    patches: ClassVar[bool] = True
    condition_kinds: ClassVar[tuple[str, ...]] = ("class", "vector")

    losses: Components = Component(name="mse")
    """The error between the network's output and what it should predict."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.01})
    """The optimizer."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
