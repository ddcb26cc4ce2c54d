"""The keys that say which trained model a training starts from, and which of its weights learn."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gandlf_synth.config.registered_name import RegisteredName

_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class InitFrom(BaseModel):
    """The trained model that a training starts from; a path alone stands for ``{path: …}``."""

    model_config = _STRICT

    path: str = Field(min_length=1)
    """A model folder, an exported folder, a safetensors or torch file of weights, or the folder of a MONAI bundle."""
    adapter: Annotated[str, RegisteredName("weight_adapters")] | None = None
    """The layout of the weights: a registered weight adapter; absent: recognized from their names."""
    partial: bool = False
    """Leave weights aside that have no place in the model, and draw those anew whose sizes differ."""
    license: str = ""
    """Under which terms the weights were given, for the record; absent: what lies beside them."""
    origin: str = ""
    """Where the weights come from, for the record, such as an address; absent: what lies beside them."""
    min_psnr: float = Field(25.0, ge=0)
    """Decibels below which the reconstruction of training images is refused before training; 0: never."""


class Lora(BaseModel):
    """Small changes of low rank beside weights that stay as they are (Hu et al. 2021, arXiv 2106.09685)."""

    model_config = _STRICT

    rank: int = Field(8, ge=1)
    """Rank of the changes: more learn more, and take more memory."""
    where: Literal["attention", "all"] = "attention"
    """Which layers are changed: the linear layers of attention, or all linear and convolutional ones."""
    alpha: float | None = Field(None, gt=0)
    """Strength of the changes, divided by ``rank``; absent: ``rank``."""
    learned_whole: list[str] = []
    """Weights that learn as a whole beside the changes: those that the parent lacks; filled in by the program."""


def _as_mapping(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _defaults(value: object) -> object:
    return {} if value is True else value


StartingPoint = Annotated[InitFrom, BeforeValidator(_as_mapping)]
FrozenParts = Annotated[list[str], BeforeValidator(_as_list)]
LowRank = Annotated[Lora, BeforeValidator(_defaults)]

WITHOUT_STARTING_POINT: Mapping[str, bool | Mapping[str, bool]] = {
    "init_from": True,
    "first_stage": {"init_from": True},
}
"""What pydantic leaves out where a section goes with the weights: paths of another machine mean nothing there."""
