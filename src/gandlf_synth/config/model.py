"""What every model family has in its ``model_config`` section; a family's own config class adds to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar, cast

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    field_serializer,
    field_validator,
    model_validator,
)

from gandlf_synth.config import legacy
from gandlf_synth.config.component import ByNetwork, Component, Components, Step, Steps, steps_as_written
from gandlf_synth.config.network_size import SIZES, NetworkSize, Setting, Size, Sized
from gandlf_synth.config.starting_point import FrozenParts, LowRank, StartingPoint

Auto = Literal["auto"]
LabelingParadigm = Literal["unlabeled", "patient", "custom"]
T = TypeVar("T")


def resolved(value: T | NetworkSize) -> T:
    """Return a value that the plan of a run has decided.

    Raises:
        ValueError: it still says ``auto`` or the size of a network: the configuration was not planned.
    """
    if isinstance(value, str) and (value == "auto" or value in SIZES):
        raise ValueError(f"the configuration says {value} where a plan was needed")
    return cast("T", value)


class ArchitectureConfig(BaseModel):
    """The base of a family's ``architecture`` section."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Prerequisite:
    """A model that has to be trained before another.

    Args:
        model: its ``model_config`` section.
        fraction: the share of the whole run that its training takes.
        checkpoint: where it lies already, or None where it is trained by the same command.
        batch_size: images in a step of its training; None: as of the whole run.
    """

    model: "ModelConfig"
    fraction: float
    checkpoint: Path | None = None
    batch_size: int | None = None

    def epochs(self, later: int) -> int:
        """Return its epochs before ``later`` ones of the other model: ``fraction`` is its share of both together."""
        return max(1, round(later * self.fraction / (1 - self.fraction)))


@dataclass(frozen=True)
class Stretch:
    """A part of a training in which all steps cost about the same.

    Args:
        share: of the training, in (0, 1].
        progress: a moment of it, as a share of the training that is over.
    """

    share: float
    progress: float


class ModelConfig(BaseModel):
    """The keys of ``model_config`` that all families share."""

    model_config = ConfigDict(
        extra="forbid", protected_namespaces=(), use_attribute_docstrings=True, populate_by_name=True
    )

    networks: ClassVar[tuple[str, ...]] = ("model",)
    """The networks that may have a loss, an optimizer and a scheduler of their own."""
    unpaired: ClassVar[bool] = True
    """Whether samples have no real counterpart, so that paired metrics mean nothing."""

    patches: ClassVar[bool] = False
    """Whether the family can be trained on patches of volumes."""

    keeps_resolution: ClassVar[bool] = False
    """Whether the network sees the voxels of the files, because what it makes is to be as fine as what it is made
    from: whole images where they are small, else patches."""

    condition_kinds: ClassVar[tuple[str, ...]] = ("class",)
    """The kinds of condition that the networks take: ``class``, ``vector``, ``channels``."""
    required_kind: ClassVar[str | None] = None
    """The kind of condition without which the family makes nothing: ``channels`` where it turns images into images."""
    compares_sides: ClassVar[bool] = False
    """Whether training takes sources and targets of unrelated rows, whose mixtures of classes must then agree."""

    smallest_batch: ClassVar[int] = 1
    """Images in a batch that the family needs to learn well, where ``batch_size: auto`` would take fewer on a CPU."""

    largest_batch: ClassVar[int] = 1_000
    """Images in a batch from which on the family learns more by more steps, where ``batch_size: auto`` takes more."""

    choice_reasons: ClassVar[Mapping[str, str]] = {}
    """Why keys beside ``architecture: auto`` are as they are, where more is to be said than that they go with it."""

    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 1_500, "M": 4_000, "L": 15_000, "XL": 50_000}
    """Steps, with batches of 8, from which networks of a size give better images than thinner ones in the same time."""

    model_name: str
    """The registered name of the model family."""
    labeling_paradigm: LabelingParadigm | Auto = "auto"
    """What the model is conditioned on: nothing, the patient, a class; ``auto``: what the CSV's labels say."""
    conditioning: Steps = []
    """What the images are made from besides the class: registered conditioners, each with its parameters."""
    init_from: StartingPoint | None = None
    """A trained model that the training starts from: a path, or a mapping with ``path``; absent: random weights."""
    freeze: FrozenParts = []
    """Parts of the networks that stay as ``init_from`` has them, by their names, such as ``encoder``."""
    lora: LowRank | None = None
    """Train small changes of low rank instead of the weights of ``init_from``; absent: train the weights."""
    n_dimensions: Literal[2, 3] | Auto = "auto"
    """Spatial dimensions; ``auto``: those of the images."""
    n_channels: PositiveInt | Auto = "auto"
    """Channels of one sample; ``auto``: those of the images, columns together."""
    tensor_shape: list[int] | Auto = "auto"
    """Voxels along each axis of what the network sees; ``auto``: from the images' size and the device."""
    losses: Components | None = None
    """The loss, or one per network; absent: the family's own."""
    optimizers: Components | None = None
    """The optimizer, or one per network; absent: the family's own."""
    schedulers: Components | None = None
    """The learning-rate scheduler, or one per network; absent: the family's own."""
    lr_warmup_fraction: float = Field(0.0, ge=0, le=1)
    """Share of the training in which the learning rate rises to its full value; not used with ``schedulers``."""
    lr_cooldown_fraction: float = Field(0.4, ge=0, le=1)
    """Share of the training, at its end, in which the learning rate falls to zero; not used with ``schedulers``."""
    architecture: Sized[ArchitectureConfig] = ArchitectureConfig()
    """The family's networks."""
    norm_type: legacy.NormType = "batch"
    converter_type: legacy.ConverterType = "soft"
    accumulate_grad_batches: int = Field(1, ge=1)
    """Batches whose gradients are added up before a step of the optimizer."""
    gradient_clip_val: float | None = Field(None, gt=0)
    """Largest norm (or value) of the gradients."""
    gradient_clip_algorithm: Literal["norm", "value"] = "norm"
    """What ``gradient_clip_val`` limits."""
    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, warmed up; samples come from the average. 0: off."""
    ema_widths: list[Annotated[float, Field(ge=0.01, le=0.25)]] = []
    """Further averages of the weights, which checkpoints keep beside that of ``ema_decay``: their widths as shares of
    the training, such as [0.05, 0.1]. ``choose-average`` compares them after training. Each takes as much memory as the
    weights."""
    save_eval_images_every_n_epochs: Annotated[int, Field(ge=-1)] | Literal["tenth"] | Auto = "auto"
    """Epochs between sample grids in ``eval_images``; ``tenth``: whenever a tenth of the run is over, of its time where
    the clock ends it; ``auto``: about ten grids over the run; -1: none."""
    n_fixed_images_to_generate: int = Field(8, ge=1)
    """Images in a sample grid."""
    fixed_images_batch_size: int = Field(
        8, ge=1, validation_alias=AliasChoices("fixed_images_batch_size", "n_fixed_images_batch_size")
    )
    """Images of a grid that are sampled together."""
    fixed_latent_vector_seed: int = Field(42, ge=0)
    """Seed of the sample grids, the same all along training."""
    input_shape: legacy.InputShape = None
    output_shape: legacy.OutputShape = None

    @field_validator("ema_widths")
    @classmethod
    def _once_each(cls, widths: list[float]) -> list[float]:
        if len(set(widths)) < len(widths):
            raise ValueError(f"{widths} names a width twice; once is enough")
        return widths

    def component(self, section: Literal["losses", "optimizers", "schedulers"], network: str) -> Component | None:
        """Return the component of ``network``: its own, or the one for the whole model; None when none is written."""
        value: Component | ByNetwork | None = getattr(self, section)
        return value.networks.get(network) if isinstance(value, ByNetwork) else value

    def with_values(self, **values: object) -> Self:
        """Return the section with other ``values``, validated as a whole.

        Raises:
            ValidationError: they do not go together with the rest.
        """
        return type(self).model_validate({**dict(self), **values})

    def required_shape(self, spatial_dims: int) -> list[int] | None:
        """Return the only size that the networks are made for, or None where the data or ``tensor_shape`` decides."""
        return None

    def trained_shape(self, shape: Sequence[int]) -> list[int]:
        """Return the size of what the last stage learns, from images of ``shape``: their latents where it has any."""
        return list(shape)

    def prerequisite(self) -> Prerequisite | None:
        """Return the model that has to be trained before this one, if there is one."""
        return None

    def private_problem(self) -> str | None:
        """Return why the model cannot be trained with a privacy budget; None where it can.

        A family that can has ``loss_of_subject`` in its module, and learns nothing of images but by its gradients.
        """
        return f"{self.model_name} learns of images by more than the gradients of one loss"

    @property
    def network_size(self) -> NetworkSize | None:
        """The size of networks that are not written out, or None where they are."""
        return self.architecture if isinstance(self.architecture, str) else None

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return the keys of ``model_config`` that ``architecture: auto`` and a size stand for, with their values.

        ``architecture`` is one of them; the others go with it, and hold where they are not written. A family whose
        ``architecture`` takes sizes overrides it.
        """
        return {}

    def with_networks(self, setting: Setting, size: Size) -> Self:
        """Return the section with networks of a ``size``; what is written stays."""
        keys = self.choose_networks(setting, size).items()
        chosen = {key: value for key, value in keys if key == "architecture" or key not in self.model_fields_set}
        return self.with_values(**chosen)

    def stretches(self) -> Sequence[Stretch]:
        """Return the parts of a training whose steps cost differently; one unless overridden."""
        return [Stretch(1.0, 0.5)]

    @property
    def work_cycle(self) -> int:
        """Steps after which the work of steps repeats: more than 1 where a penalty is computed every so many."""
        return 1

    def plan_notes(self, num_epochs: int) -> list[str]:
        """Return what the user should know of the model before a run of ``num_epochs``."""
        return []

    @field_serializer("conditioning")
    def _conditioning_as_written(self, steps: Sequence[Step]) -> list[object]:
        return steps_as_written(steps)

    @model_validator(mode="after")
    def _known_networks(self) -> Self:
        for section in ("losses", "optimizers", "schedulers"):
            value = getattr(self, section)
            wrong = sorted(set(value.networks) - set(self.networks)) if isinstance(value, ByNetwork) else []
            if wrong:
                known = ", ".join(self.networks)
                raise ValueError(f"{section} names {', '.join(wrong)}, but the networks of this model are: {known}")
        return self

    @model_validator(mode="after")
    def _shape_has_all_axes(self) -> Self:
        if self.tensor_shape == "auto":
            return self
        axes = (2, 3) if self.n_dimensions == "auto" else (self.n_dimensions,)
        if len(self.tensor_shape) not in axes or min(self.tensor_shape, default=0) < 1:
            counts = " or ".join(str(count) for count in axes)
            raise ValueError(f"tensor_shape {self.tensor_shape} must have {counts} positive numbers, as n_dimensions")
        return self
