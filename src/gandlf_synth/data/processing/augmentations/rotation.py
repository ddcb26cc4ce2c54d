"""Rotations by right angles, which need no interpolation."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from gandlf_synth.data.processing.augmentations.base import Augmentation, Axes, Shape, as_list, is_planar

if TYPE_CHECKING:
    import torchio
    from torch import Tensor


def _from_zero(value: Any) -> Any:
    """Count axes from 0 where they were counted from 1, as GaNDLF does for rotations."""
    axes = as_list(value)
    if not isinstance(axes, list) or not set(axes) <= {1, 2, 3} or set(axes) <= {1, 2}:
        return axes
    return [axis - 1 for axis in axes]


RotationAxes = Annotated[Axes, BeforeValidator(_from_zero)]


class _Rotation(Augmentation):
    positional = "axis"
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
    """Turns by 90 degrees about one of the axes."""

    quarters = 1


class Rotate180(_Rotation):
    """Turns by 180 degrees about one of the axes."""

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
