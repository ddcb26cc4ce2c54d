"""The parameters that augmentations share: ranges, a range per axis, and axes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gandlf_synth.data.processing.base import Shape
from gandlf_synth.errors import ConfigError, Problem


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


def as_list(value: object) -> object:
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
    existing = tuple(axis for axis in axes if axis < spatial_dims)
    if not existing:
        what = f"axis {list(axes)} does not exist in {spatial_dims}D images"
        raise ConfigError(Problem("data_augmentation", what, ", ".join(str(axis) for axis in range(spatial_dims))))
    return existing


def is_planar(shape: Shape) -> bool:
    """Say whether ``shape`` is that of a 2D image."""
    return shape[2] == 1


def spatial_dims_of(shape: Shape) -> int:
    """Return 2 for the shape of a 2D image, else 3."""
    return 3 - is_planar(shape)
