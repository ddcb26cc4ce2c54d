"""Which network is the denoiser, and its parameters: the ``architecture`` section of diffusion and flow matching."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Self, get_args

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, PydanticKnownError, core_schema

from gandlf_synth import registry
from gandlf_synth.config import ArchitectureConfig, NetworkSize
from gandlf_synth.config.registered_name import RegisteredName
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing

if TYPE_CHECKING:
    from torch import nn

DEFAULT_DENOISER = "unet"
_SIZES = get_args(NetworkSize)


class DenoiserArchitecture(ArchitectureConfig, ABC):
    """The base of a denoiser, registered in the group ``denoisers``; the fields of a subclass are its parameters.

    The module of a subclass must not import torch before ``build``.
    """

    denoiser: Annotated[str, RegisteredName("denoisers")] = DEFAULT_DENOISER
    """The network: a registered denoiser; its parameters stand beside this key."""

    @abstractmethod
    def build(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        num_classes: int = 0,
        vector_size: int = 0,
        condition_channels: int = 0,
    ) -> "nn.Module":
        """Return the network.

        It is called with ``(noisy, timesteps, class_labels=None, vector=None, channels=None)`` and returns
        ``(batch, out_channels, *spatial)`` of the size of ``noisy``; see ``networks.denoiser.UNetDenoiser.forward``.
        It takes images of any size.

        Args:
            spatial_dims: 2 or 3.
            in_channels: channels of the noisy image.
            out_channels: channels of the prediction.
            num_classes: classes that condition it; in ``class_labels`` a negative number stands for no class.
            vector_size: numbers that condition it.
            condition_channels: channels of images that condition it.
        """

    def build_controlled(
        self, *, spatial_dims: int, in_channels: int, num_classes: int, vector_size: int, condition_channels: int
    ) -> "nn.Module":
        """Return the network, to be frozen, with a branch that steers it by images; see ``networks.controlnet``.

        Raises:
            ConfigError: there is no such branch for the network.
        """
        what = f"adds a branch to a U-Net, and the denoiser is {self.denoiser}"
        raise ConfigError(Problem("model_config.controlnet_from", what, fix="leave it out"))


class UNetArchitecture(DenoiserArchitecture):
    """MONAI's DiffusionModelUNet; lists have one entry per resolution, from the finest to the coarsest.

    Defaults are those of the existing GaNDLF-Synth.
    """

    num_res_blocks: list[int] | int = [2, 2, 2, 2]
    """Residual blocks at each resolution."""
    num_channels: list[int] = [32, 64, 64, 64]
    """Feature channels at each resolution."""
    attention_levels: list[bool] = [False, False, True, True]
    """Which resolutions have self-attention; its cost grows with the square of the number of voxels there."""
    norm_num_groups: int = Field(32, ge=1)
    """Groups of the group normalisation; must divide every entry of ``num_channels``."""
    norm_eps: float = Field(1e-6, gt=0)
    """Added to the variance in the group normalisation."""
    resblock_updown: bool = False
    """Change resolution in residual blocks instead of convolutions."""
    num_head_channels: int | list[int] = 8
    """Channels of each attention head; must divide ``num_channels`` where there is attention."""
    with_conditioning: bool = False
    """Condition by cross-attention to the class instead of adding the class to the timestep."""
    transformer_num_layers: int = Field(1, ge=1)
    """Layers of each cross-attention block."""
    cross_attention_dim: int | None = Field(None, ge=1)
    """Size of the class vector for cross-attention; absent: 64."""
    num_class_embeds: int | None = Field(None, ge=1)
    """Room for classes; absent: the classes of the data and one for none."""
    upcast_attention: bool = False
    """Compute attention in 32 bits whatever the precision."""
    cross_attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in cross-attention."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in residual blocks, against learning few images by heart."""

    def build(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        num_classes: int = 0,
        vector_size: int = 0,
        condition_channels: int = 0,
    ) -> "nn.Module":
        """Return the U-Net; see ``DenoiserArchitecture.build``."""
        from gandlf_synth.networks.denoiser import UNetDenoiser

        parameters = self.model_dump(include=set(UNetArchitecture.model_fields) - {"denoiser"})
        return UNetDenoiser(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=out_channels,
            num_classes=num_classes,
            vector_size=vector_size,
            condition_channels=condition_channels,
            **parameters,
        )

    def build_controlled(
        self, *, spatial_dims: int, in_channels: int, num_classes: int, vector_size: int, condition_channels: int
    ) -> "nn.Module":
        """Return the U-Net with a ControlNet; see ``DenoiserArchitecture.build_controlled``."""
        from gandlf_synth.networks.controlnet import ControlledDenoiser

        return ControlledDenoiser(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            num_classes=num_classes,
            vector_size=vector_size,
            condition_channels=condition_channels,
            **self.model_dump(include=set(UNetArchitecture.model_fields) - {"denoiser"}),
        )

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        levels = len(self.num_channels)
        if levels == 0:
            raise ValueError("num_channels must have at least one entry")
        for name in ("attention_levels", "num_res_blocks", "num_head_channels"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != levels:
                raise ValueError(f"{name} has {len(value)} entries but num_channels has {levels}; they must be equal")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        for channels in self.num_channels:
            if channels % self.norm_num_groups:
                best = max(group for group in range(1, self.norm_num_groups + 1) if self._divides_all(group))
                raise ValueError(
                    f"norm_num_groups {self.norm_num_groups} does not divide num_channels {self.num_channels}; "
                    f"the nearest that does is {best}"
                )
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        sizes = self.num_head_channels
        heads = [sizes] * len(self.num_channels) if isinstance(sizes, int) else sizes
        # The coarsest resolution has attention in its middle, whatever its level says.
        attention = [*self.attention_levels[:-1], True]
        for channels, attends, size in zip(self.num_channels, attention, heads, strict=True):
            if attends and (size < 1 or channels % size):
                raise ValueError(f"num_head_channels {size} does not divide the {channels} channels of its level")
        return self

    def _divides_all(self, group: int) -> bool:
        return all(channels % group == 0 for channels in self.num_channels)


@dataclass(frozen=True)
class ByDenoiser:
    """Marks the field ``architecture``: its key ``denoiser`` says which class has the other keys.

    Args:
        default: the class without that key.
        shared: keys that the section has whatever the denoiser is; None: none.
    """

    default: type[DenoiserArchitecture]
    shared: type[DenoiserArchitecture] | None = None

    def section_class(self, name: str) -> type[DenoiserArchitecture]:
        """Return the class of the section of the denoiser ``name``."""
        component: type[DenoiserArchitecture] = registry.load("denoisers", name)
        return self.default if issubclass(self.default, component) else _with_shared(component, self.shared)

    def validate(self, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        """Return the section as its class reads it."""
        name = value.get("denoiser", DEFAULT_DENOISER) if isinstance(value, Mapping) else DEFAULT_DENOISER
        if isinstance(value, DenoiserArchitecture):
            return value
        if isinstance(value, str):
            if value not in _SIZES:
                raise PydanticKnownError("literal_error", {"expected": ", ".join(_SIZES)})
            return value
        if not isinstance(name, str) or registry.unknown_name("denoisers", name, ""):
            return handler(value)
        section = self.section_class(name)
        try:
            return section.model_validate(value)
        except ValidationError as error:
            raise _with_known_keys(error, section) from None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the section by its denoiser, and write all keys that it has."""
        return core_schema.no_info_wrap_validator_function(
            self.validate, handler(self.default), serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the keys of the default and, where another denoiser is named, the keys of that one."""
        size = {"enum": list(_SIZES)}
        keys = handler(schema)
        for name in registry.names("denoisers"):
            section = self.section_class(name)
            if section is not self.default:
                named = {"properties": {"denoiser": {"const": name}}, "required": ["denoiser"]}
                keys = {"if": named, "then": handler(section.__pydantic_core_schema__), "else": keys}
        return {"if": {"type": "string"}, "then": size, "else": keys}


@cache
def _with_shared(
    component: type[DenoiserArchitecture], shared: type[DenoiserArchitecture] | None
) -> type[DenoiserArchitecture]:
    if shared is None:
        return component
    return create_model(component.__name__, __base__=(shared, component), __doc__=component.__doc__)


def _with_known_keys(error: ValidationError, section: type[DenoiserArchitecture]) -> ValidationError:
    """Return ``error`` with the keys of ``section`` beside each unknown one.

    The class of the whole configuration knows the keys of the default denoiser only.
    """
    details = []
    for detail in error.errors(include_url=False):
        kind: str | PydanticCustomError = detail["type"]
        if kind == "extra_forbidden" and len(detail["loc"]) == 1:
            key, known = str(detail["loc"][-1]), list(section.model_fields)
            text = str(Problem("", "unknown key", listing(known), did_you_mean(key, known)))
            kind = PydanticCustomError("value_error", "{error}", {"error": text})
        details.append(InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {})))
    return ValidationError.from_exception_data(error.title, details)
