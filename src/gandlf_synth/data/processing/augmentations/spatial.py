"""Augmentations that move voxels."""

from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from gandlf_synth.data.processing.augmentations.ranges import (
    Axes,
    Range,
    RangePerAxis,
    as_list,
    is_planar,
    present,
    spatial_dims_of,
)
from gandlf_synth.data.processing.base import Augmentation, Shape

if TYPE_CHECKING:
    import torchio
    from torch import Tensor

TwoOrThree = Field(min_length=2, max_length=3)
ControlPoints = Annotated[int, Field(ge=4)]


class Affine(Augmentation):
    """Scales, turns and shifts; what comes in from outside is the channel's minimum. 2D images stay in their plane.

    Example:
        >>> import torch
        >>> transform = Affine().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    moves_voxels = True

    scales: RangePerAxis = 0.1
    """Zoom; 0.1 draws from 0.9 to 1.1 for each axis."""
    degrees: RangePerAxis = 15
    """Rotation about each axis; 2D images turn about the third."""
    translation: RangePerAxis = 2
    """Shift along each axis, voxels."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomAffine``."""
        import torchio

        transform = torchio.RandomAffine(self.scales, self.degrees, self.translation)
        if is_planar(shape):  # TorchIO would shift the plane out of the image
            transform.translation = (*transform.translation[:4], 0.0, 0.0)
        return transform


class Elastic(Augmentation):
    """Deforms smoothly: moves a coarse grid of control points and interpolates with B-splines.

    Example:
        >>> import torch
        >>> transform = Elastic().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    moves_voxels = True

    num_control_points: ControlPoints | Annotated[tuple[ControlPoints, ...], TwoOrThree] = 7
    """Control points along each axis, borders included."""
    max_displacement: NonNegativeFloat | Annotated[tuple[NonNegativeFloat, ...], TwoOrThree] | None = None
    """Largest shift of a control point, voxels; absent: a quarter of their distance, so that nothing folds."""
    locked_borders: Literal[0, 1, 2] = 2
    """Layers of control points at the borders that stay where they are."""

    @model_validator(mode="after")
    def _something_moves(self) -> Self:
        fewest = min(_three(self.num_control_points))
        if fewest <= 2 * self.locked_borders:
            raise ValueError(f"locked_borders {self.locked_borders} leaves none of {fewest} control points to move")
        return self

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomElasticDeformation``."""
        import torchio

        points = _three(self.num_control_points)
        distances = [size / (count - 3) for size, count in zip(shape, points, strict=True)]
        limits = [distance / 4 for distance in distances]
        if self.max_displacement is not None:
            limits = _three(self.max_displacement)
        moved = [limit if size > 1 else 0.0 for limit, size in zip(limits, shape, strict=True)]
        return torchio.RandomElasticDeformation(tuple(points), tuple(moved), self.locked_borders)


class Flip(Augmentation):
    """Mirrors along each of the axes with an even chance.

    Example:
        >>> import torch
        >>> transform = Flip().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    moves_voxels = True

    positional = "axis"

    axis: Axes = (0, 1, 2)
    """Axes that may be mirrored; a 2D image has 0 and 1."""

    def check(self, spatial_dims: int) -> None:
        """Refuse axes that the images lack."""
        present(self.axis, spatial_dims)

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomFlip``."""
        import torchio

        return torchio.RandomFlip(present(self.axis, spatial_dims_of(shape)))


class Anisotropic(Augmentation):
    """Takes resolution from one of the axes, as thick slices would.

    Example:
        >>> import torch
        >>> transform = Anisotropic().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    axis: Axes = (0, 1, 2)
    """Axes of which one is drawn; a 2D image has 0 and 1."""
    downsampling: Range = 1.5
    """Factor by which voxels are thicker; a number is the largest one."""

    @field_validator("downsampling")
    @classmethod
    def _at_least_one(cls, value: float | tuple[float, ...]) -> float | tuple[float, ...]:
        if min(_three(value)) < 1:
            raise ValueError("downsampling is 1 or more")
        return value

    def check(self, spatial_dims: int) -> None:
        """Refuse axes that the images lack."""
        present(self.axis, spatial_dims)

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomAnisotropy`` between padding and cropping, because it blackens the image's edges."""
        import torchio

        axes = present(self.axis, spatial_dims_of(shape))
        margin = ceil(max(_three(self.downsampling))) + 1
        margins = [margin if axis in axes else 0 for axis in range(3) for _ in range(2)]
        thick = torchio.RandomAnisotropy(axes, self.downsampling)
        return torchio.Compose([torchio.Pad(margins, padding_mode="edge"), thick, torchio.Crop(margins)])


class Swap(Augmentation):
    """Swaps pairs of patches (Chen et al. 2019, context restoration, doi 10.1016/j.media.2019.101539).

    Example:
        >>> import torch
        >>> transform = Swap().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    positional = "patch_size"

    patch_size: PositiveInt | Annotated[tuple[PositiveInt, ...], TwoOrThree] | None = None
    """Voxels of a patch along each axis, at most half the image; absent: a tenth of the image."""
    num_iterations: NonNegativeInt = 100
    """Pairs to swap."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return TorchIO's ``RandomSwap``."""
        import torchio

        sizes = [size / 10 for size in shape] if self.patch_size is None else _three(self.patch_size)
        patch = [min(max(1, round(length)), max(1, size // 2)) for length, size in zip(sizes, shape, strict=True)]
        # TorchIO searches for a second place for ever where there is none.
        movable = any(size - length > 1 for size, length in zip(shape, patch, strict=True))
        return torchio.RandomSwap(tuple(patch), self.num_iterations if movable else 0)


def _from_zero(value: object) -> object:
    """Count axes from 0 where they were counted from 1, as GaNDLF does for rotations."""
    axes = as_list(value)
    if not isinstance(axes, list) or not set(axes) <= {1, 2, 3} or set(axes) <= {1, 2}:
        return axes
    return [axis - 1 for axis in axes]


RotationAxes = Annotated[Axes, BeforeValidator(_from_zero)]


class _Rotation(Augmentation):
    positional = "axis"
    moves_voxels = True
    quarters: ClassVar[int]

    axis: RotationAxes = (0, 1, 2)
    """Axes of rotation, one of which is drawn; 2D images turn in their plane whatever is written."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return the rotation; if it swaps unequal sizes, it crops and pads around the centre."""
        import torchio

        about = [2] if is_planar(shape) else self.axis
        planes = [((axis + 1) % 3 + 1, (axis + 2) % 3 + 1) for axis in about]
        rotation = torchio.Lambda(_Turn(self.quarters, planes))
        return torchio.Compose([rotation, torchio.CropOrPad(shape, padding_mode="minimum")])


class Rotate90(_Rotation):
    """Turns by 90 degrees about one of the axes.

    Example:
        >>> import torch
        >>> transform = Rotate90().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    quarters = 1


class Rotate180(_Rotation):
    """Turns by 180 degrees about one of the axes.

    Example:
        >>> import torch
        >>> transform = Rotate180().build((8, 8, 1))
        >>> transform(torch.rand(1, 8, 8, 1)).shape
        torch.Size([1, 8, 8, 1])
    """

    quarters = 2


class _Turn:
    """Turns ``(channels, *shape)`` in one of the planes, each given by two dimensions."""

    def __init__(self, quarters: int, planes: list[tuple[int, int]]) -> None:
        self._quarters = quarters
        self._planes = planes

    def __call__(self, image: "Tensor") -> "Tensor":
        import torch

        plane = self._planes[int(torch.randint(len(self._planes), ()))]
        return torch.rot90(image, self._quarters, plane)


def _three(value: Any) -> list[Any]:
    """Return a value for each of three axes; the third repeats the last one given."""
    values = value if isinstance(value, tuple) else (value,)
    return [*values, *[values[-1]] * (3 - len(values))]
