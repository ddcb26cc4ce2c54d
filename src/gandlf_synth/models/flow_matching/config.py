"""The configuration of ``flow_matching``."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gandlf_synth.config import Component, Components, ModelConfig
from gandlf_synth.models.components.denoiser_config import UNetArchitecture


class FlowSettings(BaseModel):
    """Times, guidance and sampler."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    architecture: UNetArchitecture = UNetArchitecture()
    """The network."""
    time_distribution: Literal["logit_normal", "uniform"] = "logit_normal"
    """Which times are trained on; ``logit_normal`` dwells in the middle, where the velocity is hardest to tell."""
    optimal_transport: bool = False
    """Pair the images of a batch with the nearest noise, regardless of their classes."""
    label_dropout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of training samples whose class is hidden, for classifier-free guidance."""
    guidance_scale: float = Field(1.0, ge=0)
    """Strength of classifier-free guidance; 1 is the conditional model itself and the fastest."""
    clip_sample: bool = True
    """Keep predicted images in the data's range while sampling."""
    sampler: Literal["euler", "heun", "dpmpp_2m", "unipc"] = "dpmpp_2m"
    """The solver; of second order at one evaluation a step (docs/decisions/0010-recipes.md)."""
    num_inference_steps: int = Field(20, ge=1)
    """Steps; ``heun`` evaluates the network twice in each."""


class FlowMatchingConfig(FlowSettings, ModelConfig):
    """The ``model_config`` section of ``flow_matching``."""

    patches: ClassVar[bool] = True
    condition_kinds: ClassVar[tuple[str, ...]] = ("class", "vector")

    losses: Components = Component(name="mse")
    """The error between the network's velocity and that of the path."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.01})
    """The optimizer."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
