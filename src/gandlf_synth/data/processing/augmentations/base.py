"""What an augmentation is; found through the entry-point group ``augmentations``."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gandlf_synth.errors import ConfigError, Problem

if TYPE_CHECKING:
    import torchio

Shape = tuple[int, int, int]
"""Voxels along each axis; a 2D image has 1 along the last."""


class Augmentation(BaseModel, ABC):
    """A random change of an image that keeps its shape; its fields are the parameters in the YAML.

    Lengths are in voxels, angles in degrees. A number stands for a range around the neutral value, two for the range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    positional: ClassVar[str | None] = None
    """The field that takes a value written without a key, as in ``flip: 0``."""

    probability: float = Field(0.5, ge=0, le=1)
    """How often it acts."""

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: Any) -> Any:
        if value is None or value is True:
            return {}
        if isinstance(value, Mapping):
            return value
        if cls.positional is None:
            raise ValueError("takes its parameters by name")
        return {cls.positional: value}

    def check(self, spatial_dims: int) -> None:
        """Raise a ``ConfigError`` when the parameters make no sense for images of ``spatial_dims`` dimensions."""

    @abstractmethod
    def build(self, shape: Shape) -> "torchio.Transform":
        """Return the transform for images of ``shape``; it acts whenever it is called.

        It takes and returns float32 ``(channels, *shape)`` in [0, 1] with a background of 0, for which TorchIO is made.
        """


def _ordered(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """Refuse a negative width and a range whose ends are swapped."""
    if not isinstance(value, tuple):
        if value < 0:
            raise ValueError(f"a number must not be negative, and {value:g} is")
        return value
    pairs = [] if len(value) % 2 else zip(value[::2], value[1::2], strict=True)
    swapped = [f"[{low:g}, {high:g}]" for low, high in pairs if low > high]
    if swapped:
        raise ValueError(f"the range {swapped[0]} ends before it begins")
    return value


def _of_length(*lengths: int) -> AfterValidator:
    def check(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
        if isinstance(value, tuple) and len(value) not in lengths:
            allowed = " or ".join(str(length) for length in lengths)
            raise ValueError(f"a list must have {allowed} numbers, and {list(value)} has {len(value)}")
        return value

    return AfterValidator(check)


def as_list(value: Any) -> Any:
    """Return a bare number as a list of one."""
    return [value] if isinstance(value, int) else value


Range = Annotated[float | tuple[float, ...], _of_length(2), AfterValidator(_ordered)]
"""A number or ``[from, to]``."""
RangePerAxis = Annotated[float | tuple[float, ...], _of_length(2, 3, 6), AfterValidator(_ordered)]
"""A number or ``[from, to]`` for all axes, a number per axis, or ``[from, to, from, to, from, to]``."""
Axes = Annotated[tuple[Literal[0, 1, 2], ...], BeforeValidator(as_list), Field(min_length=1)]
"""Spatial axes, counted from 0."""


def present(axes: Sequence[int], spatial_dims: int) -> tuple[int, ...]:
    """Return those of ``axes`` that images of ``spatial_dims`` dimensions have.

    Raises:
        ConfigError: none is left.
    """
    found = tuple(axis for axis in axes if axis < spatial_dims)
    if not found:
        what = f"axis {list(axes)} does not exist in {spatial_dims}D images"
        raise ConfigError(Problem("data_augmentation", what, ", ".join(str(axis) for axis in range(spatial_dims))))
    return found


def is_planar(shape: Shape) -> bool:
    """Say whether ``shape`` is that of a 2D image."""
    return shape[2] == 1


def spatial_dims_of(shape: Shape) -> int:
    """Return 2 for the shape of a 2D image, else 3."""
    return 3 - is_planar(shape)
