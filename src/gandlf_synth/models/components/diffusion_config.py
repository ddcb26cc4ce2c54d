"""The keys that families of diffusion and flow matching share, for images and for latents; imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gandlf_synth.config import (
    Component,
    Components,
    ModelConfig,
    NetworkSize,
    Prerequisite,
    Setting,
    Size,
    read_document,
)
from gandlf_synth.config.registered_name import RegisteredName
from gandlf_synth.diffusion.samplers.base import ProcessKind, sampler_names, sampler_problem
from gandlf_synth.errors import Problem
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.components.denoiser_config import ByDenoiser, DenoiserArchitecture, UNetArchitecture
from gandlf_synth.models.components.unet_size import unet_keys, unet_optimizer

_UNSHIFTED_SIDE = 64


@dataclass(frozen=True)
class SamplerName(RegisteredName):
    """Marks a field that takes any registered sampler which is made for the paths of a process."""

    group: str = "samplers"
    process: ProcessKind = "diffusion"

    def names(self) -> list[str]:
        """Return the samplers of the process."""
        return sampler_names(self.process)

    def problem(self, name: str) -> Problem | None:
        """Return the problem with ``name``, else None."""
        return sampler_problem(name, self.process, "")


class ForwardProcess(DenoiserArchitecture):
    """The length of the forward process, which stands beside the parameters of the denoiser."""

    num_train_timesteps: int = Field(1000, ge=1)
    """Steps of the forward process."""
    num_eval_timesteps: int | None = Field(None, ge=1)
    """Steps of ancestral sampling, as in the existing GaNDLF-Synth; absent: the fast sampler's own."""


class DDPMArchitecture(ForwardProcess, UNetArchitecture):
    """The denoiser and the length of the forward process."""


class DenoisingSettings(BaseModel):
    """What all of these families have."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    label_dropout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of training samples whose class is hidden, for classifier-free guidance."""
    guidance_scale: float = Field(1.0, ge=0)
    """Strength of classifier-free guidance; 1 is the conditional model itself and the fastest."""
    clip_sample: bool = True
    """Keep predicted images in the data's range while sampling."""


class EDMSettings(BaseModel):
    """Noise levels of ``prediction_type: edm``; the defaults are those of Karras et al. 2022, table 1."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    sigma_data: float | None = Field(None, gt=0)
    """Standard deviation of what is noised; absent: 0.5 for images, which lie in [-1, 1], and 1 for latents."""
    p_mean: float = -1.2
    """Mean of the logarithm of the noise levels that are trained on."""
    p_std: float = Field(1.2, gt=0)
    """Standard deviation of that logarithm."""
    sigma_min: float = Field(0.002, gt=0)
    """The lowest noise level at which a step of sampling starts."""
    sigma_max: float = Field(80.0, gt=0)
    """The noise level at which sampling starts."""
    rho: float = Field(7.0, gt=0)
    """How much denser the steps of sampling are at low noise."""

    @model_validator(mode="after")
    def _levels_fall(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} must be below sigma_max {self.sigma_max:g}")
        return self


class DiffusionSettings(DenoisingSettings):
    """Schedule, objective, guidance and sampler."""

    usual_sigma: ClassVar[float] = 0.5
    """Standard deviation of what is noised, unless ``edm.sigma_data`` says another."""

    architecture: Annotated[
        DDPMArchitecture | ForwardProcess | NetworkSize, ByDenoiser(DDPMArchitecture, ForwardProcess)
    ] = "auto"
    """The network and the length of the forward process, or the size of the network; ``auto``: for data, device, time.
    """
    prediction_type: Literal["epsilon", "sample", "v_prediction", "edm"] = "v_prediction"
    """What the network predicts: the noise, the clean image, v, or with ``edm`` the mixture of image and noise that has
    variance 1 at every noise level; the levels are then those of ``edm``, without timesteps."""
    edm: EDMSettings = EDMSettings()
    """Noise levels of ``prediction_type: edm``."""
    beta_schedule: Annotated[str, RegisteredName("noise_schedules")] = "cosine"
    """How noise grows over the timesteps: a registered noise schedule; not used with ``edm``."""
    zero_terminal_snr: bool = True
    """End the forward process in pure noise, so that samples have the right brightness; not with ``epsilon``."""
    min_snr_gamma: float | None = Field(None, gt=0)
    """Limit on the weight of easy noise levels (5 is usual); absent: every level counts by its plain error."""
    guidance_interval: tuple[float, float] | None = None
    """Noise levels (sigma / signal, from above the first to the second) at which guidance acts; absent: all."""
    guidance_rescale: float = Field(0.0, ge=0, le=1)
    """How far guided outputs are scaled back to the spread of unguided ones; 0.7 is usual with strong guidance."""
    sampler: Annotated[str, SamplerName(process="diffusion")] | None = None
    """A registered sampler; absent: ``ddim``; with ``edm`` ``heun``; with num_eval_timesteps ``ddpm`` (ancestral)."""
    num_inference_steps: int | None = Field(None, ge=1)
    """Denoising steps; absent: 50, 18 with ``edm``, or num_eval_timesteps where it is given."""

    @model_validator(mode="after")
    def _snr_fits_prediction(self) -> Self:
        written = "zero_terminal_snr" in self.model_fields_set
        if self.prediction_type == "epsilon" and self.zero_terminal_snr:
            if written:
                raise ValueError(
                    "zero_terminal_snr needs prediction_type v_prediction or sample: "
                    "at zero SNR the noise tells nothing of the image"
                )
            self.zero_terminal_snr = False
        return self

    @model_validator(mode="after")
    def _keys_fit_levels(self) -> Self:
        edm = self.prediction_type == "edm"
        keys = ("beta_schedule", "zero_terminal_snr", "min_snr_gamma") if edm else ("edm",)
        unused = [key for key in keys if getattr(self, key) != type(self).model_fields[key].default]
        if unused:
            which = "is not used with prediction_type edm" if edm else "is used with prediction_type edm only"
            raise ValueError(f"{', '.join(unused)} {which}; leave it out")
        return self


class FlowSettings(DenoisingSettings):
    """Times, guidance and sampler."""

    architecture: Annotated[UNetArchitecture | DenoiserArchitecture | NetworkSize, ByDenoiser(UNetArchitecture)] = (
        "auto"
    )
    """The network, or its size; ``auto``: for data, device and time."""
    time_distribution: Literal["logit_normal", "uniform"] = "logit_normal"
    """Which times are trained on; ``logit_normal`` dwells in the middle, where the velocity is hardest to tell,
    with a tenth of uniform times."""
    time_shift: float = Field(1.0, gt=0)
    """How far times of training and sampling are moved towards the noise, which hides less of larger images; beside
    ``architecture: auto`` of ``flow_matching``: 1 up to 64 voxels a side, 2 at 128x128."""
    optimal_transport: bool = False
    """Pair the images of a batch with the nearest noise, regardless of their classes."""
    start: Literal["noise", "source"] = "noise"
    """Where the flow to an image starts: in noise, or in the mean of the images that ``conditioning: image`` gives;
    few steps are enough then (Liu et al. 2023, arXiv 2209.03003, section 4)."""
    start_noise: float = Field(0.1, ge=0)
    """Standard deviation of the noise that is added to the sources, so that seeds differ; of ``start: source``."""
    sampler: Annotated[str, SamplerName(process="flow")] = "dpmpp_2m"
    """A registered sampler; this one is of second order at one evaluation a step (docs/decisions/0010-recipes.md)."""
    num_inference_steps: int = Field(20, ge=1)
    """Steps; ``heun`` evaluates the network twice in each."""

    @model_validator(mode="after")
    def _keys_fit_start(self) -> Self:
        if self.start == "source" and self.optimal_transport:
            raise ValueError("optimal_transport pairs images with noise, and start: source starts from none")
        return self


class DenoisingModelConfig(ModelConfig):
    """The keys of ``model_config`` whose defaults these families share."""

    condition_kinds: ClassVar[tuple[str, ...]] = ("class", "vector", "channels")

    losses: Components = Component(name="mse")
    """The error between the network's output and what it should predict."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.01})
    """The optimizer of the denoiser; beside ``architecture: auto``, its rate goes with the size of the network."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a U-Net and its optimizer."""
        return {"architecture": unet_keys(setting, size), "optimizers": unet_optimizer(size)}


def noise_shift(shape: Sequence[int]) -> float:
    """Return how much more noise an image of ``shape`` needs than one of 64 voxels a side, which smaller ones need too.

    The mean of n voxels has 1/√n of their noise (Hoogeboom et al. 2023, arXiv 2301.11093, sec. 3.1).

    >>> noise_shift([64, 48]), noise_shift([128, 128]), round(noise_shift([96, 96, 96]), 2)
    (1.0, 2.0, 1.84)
    """
    return max(1.0, float((prod(shape) / _UNSHIFTED_SIDE ** len(shape)) ** 0.5))


class LabeledAugmentationSettings(BaseModel):
    """Random changes of training images that the network is told of, so that no synthetic image has them."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)

    probability: float = Field(0.15, ge=0, le=1)
    """How often each of them acts on an image."""
    scaling: float = Field(0.15, ge=0, le=1)
    """Largest growth, as a share; 0.15 draws from 1/1.15 to 1.15, the same for all axes."""
    rotation_degrees: float = Field(15.0, ge=0, le=180)
    """Largest turn, about every axis; 2D images turn in their plane."""
    translation: float = Field(0.1, ge=0, lt=1)
    """Largest shift, as a share of each side."""
    mirror_axes: list[Literal[0, 1, 2]] = []
    """Axes that may be mirrored; none unless written, because left and right are not alike in a body."""


def _by_probability(value: object) -> object:
    """Return a section from its short form: how often, or yes."""
    if value is True:
        return {}
    return {"probability": value} if isinstance(value, int | float) and value is not False else value


class ControlledModelConfig(DenoisingModelConfig):
    """The keys of families whose network sees the images: labeled augmentation, and a branch to a trained model."""

    process_keys: ClassVar[tuple[str, ...]] = ()
    """What the branch has to have in common with the model besides the network."""

    labeled_augmentation: Annotated[LabeledAugmentationSettings | None, BeforeValidator(_by_probability)] = None
    """Random scaling, turns and shifts of training images that the network is told of and that no synthetic image has
    (Karras et al. 2022, appendix F.2): for few images. A section, or how often each acts; absent: none."""
    controlnet_from: str | None = None
    """A model folder of the same family, which stays as it is while a branch learns to steer it by the images in
    ``conditioning``: a ControlNet. For few pairs or masks beside many images."""

    @field_validator("controlnet_from")
    @classmethod
    def _is_a_model_folder(cls, value: str | None) -> str | None:
        if value is not None and not ModelFolder(Path(value)).resolved_config.is_file():
            raise ValueError(f"{value} is no folder of a trained model")
        return value

    def private_problem(self) -> str | None:
        """Return why the model cannot be trained with a privacy budget: it builds on one that may not be public."""
        return (
            None if self.controlnet_from is None else "controlnet_from adds a branch to a model, whose images count too"
        )

    def prerequisite(self) -> Prerequisite | None:
        """Return the model that a branch is added to, which is trained already."""
        return None if self.controlnet_from is None else Prerequisite(self, 0.0, Path(self.controlnet_from))

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a U-Net and its optimizer; the network and the process of the model that a branch is added to."""
        chosen = super().choose_networks(setting, size)
        if self.controlnet_from is None:
            return chosen
        trained = read_document(ModelFolder(Path(self.controlnet_from)).resolved_config).content["model_config"]
        return chosen | {key: trained[key] for key in ("architecture", *self.process_keys) if key in trained}
