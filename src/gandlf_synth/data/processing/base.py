"""What the steps of preprocessing, augmentation and postprocessing are; each kind is an entry-point group."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gandlf_synth.data.formats.image import Image

if TYPE_CHECKING:
    import torchio

Shape = tuple[int, int, int]
"""Voxels along each axis; a 2D image has 1 along the last."""


class Parameters(BaseModel):
    """A step of a pipeline. Its fields are the parameters in the YAML: by name, as one bare value, or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    positional: ClassVar[str | None] = None
    """The field that takes a value written without a key, as in ``resize: [64, 64]``."""

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: object) -> object:
        if value is None or (value is True and cls.positional is None):
            return {}
        if isinstance(value, Mapping):
            return value
        if cls.positional is None:
            raise ValueError("takes its parameters by name" if cls.model_fields else "takes no value")
        return {cls.positional: value}


class TransformError(Exception):
    """A step that cannot be applied; the caller knows the file and makes the message.

    Args:
        what: is wrong.
        column: of the CSV whose file it is; empty: the first.
    """

    def __init__(self, what: str, column: str = "") -> None:
        super().__init__(what)
        self.column = column


class Transform(Parameters, ABC):
    """A deterministic step of preprocessing, from image to image; group ``preprocessing``.

    A subclass records what it does to the grid in ``Image.geometry`` and what it does to the values through
    ``Image.rescaled``, so that export can undo it.

    Example:
        A step of your own, which ``register`` or an entry point makes known:

        >>> class Invert(Transform):
        ...     def __call__(self, image: Image) -> Image:
        ...         channels = image.num_channels
        ...         return image.rescaled(np.full(channels, -1.0), np.zeros(channels))
        >>> from gandlf_synth.geometry import Geometry
        >>> Invert()(Image.from_file_values(np.array([[[3.0, 4.0]]]), Geometry((1, 2)))).array.tolist()
        [[[-3.0, -4.0]]]
    """

    normalizes: ClassVar[bool] = False
    """Whether the step brings values of any unit to a common range."""
    sets_spacing: ClassVar[bool] = False
    """Whether the step gives voxels a size in millimetres, which a later change of size must keep."""
    keeps_grid: ClassVar[bool] = False
    """Whether the step only changes values, so that size, spacing and orientation are still to be chosen."""
    train_only: ClassVar[bool] = False
    """Whether the step is left out of every phase but training."""

    def sets_size(self) -> tuple[int, ...] | None:
        """Return the size that every image has after the step, None where the step sets none."""
        return None

    def sources(self) -> tuple[Path, ...]:
        """Return the files that decide the outcome beside the image itself, such as a target to be matched."""
        return ()

    @abstractmethod
    def __call__(self, image: Image) -> Image:
        """Return the transformed image.

        Raises:
            TransformError: the step cannot be applied to an image like this one.
        """


class Augmentation(Parameters, ABC):
    """A random change of a training image that keeps its shape; group ``augmentations``.

    Lengths are in voxels, angles in degrees. A number stands for a range around the neutral value, two for the range.
    """

    probability: float = Field(0.5, ge=0, le=1)
    """How often it acts."""

    moves_voxels: ClassVar[bool] = False
    """Whether it moves voxels and leaves values as they are; what an image is made from then moves with it."""

    @model_validator(mode="before")
    @classmethod
    def _from_switch(cls, value: object) -> object:
        return {} if value is True else value

    def check(self, spatial_dims: int) -> None:
        """Raise a ``ConfigError`` when the parameters make no sense for images of ``spatial_dims`` dimensions."""

    @abstractmethod
    def build(self, shape: Shape) -> "torchio.Transform":
        """Return the transform for images of ``shape``; it acts whenever it is called.

        It takes and returns float32 ``(channels, *shape)`` in [0, 1] with a background of 0, for which TorchIO is made.
        """


class Postprocessing(Parameters, ABC):
    """A change of a finished image, in the units of the files; group ``postprocessing``."""

    @abstractmethod
    def __call__(self, channel: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one channel, ``(*spatial)``, changed."""
