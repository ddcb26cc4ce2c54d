"""What is done to synthetic images before they are written, in the units of the files.

Changes of shape are those of mathematical morphology for grey values: on a mask they do what their names say.
Background is the smallest value of the image.
"""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.processing.base import Postprocessing

Values = NDArray[np.float64]


def postprocessed(image: Values, steps: Sequence[Step]) -> Values:
    """Return ``image (channels, *spatial)``, in the units of the files, after ``steps``, channel by channel."""
    for step in steps:
        change: Postprocessing = registry.load("postprocessing", step.name).model_validate(step.parameters)
        image = np.stack([change(channel) for channel in image])
    return image


class FillHoles(Postprocessing):
    """Fills holes: what bright regions enclose rises to the lowest part of its rim (Soille 2004, section 6.3.7).

    Example:
        >>> FillHoles()(np.array([[1.0, 1, 1], [1, 0, 1], [1, 1, 1]])).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def __call__(self, channel: Values) -> Values:
        """Return the channel without holes."""
        from skimage.morphology import reconstruction

        seed = np.full_like(channel, channel.max())
        for axis in range(channel.ndim):
            for end in (0, -1):
                border = tuple(end if own == axis else slice(None) for own in range(channel.ndim))
                seed[border] = channel[border]
        filled: Values = reconstruction(seed, channel, method="erosion")
        return filled


class Morphology(Postprocessing):
    """Grows, shrinks, closes or opens bright regions with a cube of voxels.

    Example:
        >>> Morphology(mode="dilation")(np.array([[0.0, 0, 0, 5]])).tolist()
        [[0.0, 0.0, 5.0, 5.0]]
    """

    positional: ClassVar[str | None] = "mode"

    mode: Literal["dilation", "erosion", "closing", "opening"] = "dilation"
    """What is done."""
    kernel_size: PositiveInt = 3
    """Voxels of a side of the cube."""

    def __call__(self, channel: Values) -> Values:
        """Return the changed channel."""
        from scipy import ndimage

        size = (self.kernel_size,) * channel.ndim
        changed: Values = getattr(ndimage, f"grey_{self.mode}")(channel, size=size, mode="nearest")
        return changed


class LargestComponent(Postprocessing):
    """Connected-component analysis: keeps the largest connected region and sets the rest to background.

    Example:
        >>> LargestComponent()(np.array([[3.0, 3, 0, 7]])).tolist()
        [[3.0, 3.0, 0.0, 0.0]]
    """

    positional: ClassVar[str | None] = "threshold"

    threshold: float | None = None
    """The value above which a voxel belongs to a region; absent: the smallest of the image, right for masks."""

    def __call__(self, channel: Values) -> Values:
        """Return the channel with one region; regions that touch at a corner are one."""
        from scipy import ndimage

        background = channel.min()
        every_neighbour = np.ones((3,) * channel.ndim)
        limit = background if self.threshold is None else self.threshold
        labels, count = ndimage.label(channel > limit, structure=every_neighbour)
        if count < 2:
            return channel
        largest = np.bincount(labels.ravel())[1:].argmax() + 1
        return np.where(labels == largest, channel, background)


class Mapping(Postprocessing):
    """Replaces values by others, as labels are renumbered: ``mapping: {0: 0, 1: 2, 2: 4}``.

    Example:
        >>> Mapping(table={1: 2, 2: 4})(np.array([0.0, 1.1, 2])).tolist()
        [0.0, 2.0, 4.0]
    """

    table: Annotated[dict[float, float], Field(min_length=1)]
    """Old and new values; voxels become whole numbers first, and what is not listed stays as it is."""

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: object) -> object:
        if isinstance(value, AnyMapping) and "table" not in value:
            return {"table": dict(value)}
        return value

    def __call__(self, channel: Values) -> Values:
        """Return the channel with replaced values."""
        rounded = np.rint(channel)
        chosen = [rounded == old for old in self.table]
        return np.select(chosen, [np.full_like(channel, new) for new in self.table.values()], channel)
