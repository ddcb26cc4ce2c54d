"""How large networks are: what ``architecture: auto`` and ``architecture: S`` stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Annotated, Literal, TypeVar, Union, get_args

from pydantic import Discriminator, Tag

Size = Literal["XS", "S", "M", "L", "XL"]
"""Networks of a family, from the thinnest to the widest."""
NetworkSize = Literal["auto", "XS", "S", "M", "L", "XL"]
"""What may be written in place of an ``architecture`` section."""
SIZES: tuple[Size, ...] = get_args(Size)
THIN: tuple[Size, ...] = ("XS", "S")
"""Networks that short trainings have, with fewer layers and other rates than the others."""


A = TypeVar("A")


TAGS = ("architecture section", "network size")
"""What pydantic puts into the place of an error besides keys."""


def _kind(value: object) -> str:
    return TAGS[isinstance(value, str)]


Sized = Annotated[
    Union[Annotated[A, Tag(TAGS[0])], Annotated[NetworkSize, Tag(TAGS[1])]],  # noqa: UP007
    Discriminator(_kind),
]
"""An ``architecture`` section of the class ``A``, or its size."""


@dataclass(frozen=True)
class Setting:
    """What networks are chosen for.

    Args:
        shape: voxels along each axis of what the networks see.
        on_gpu: whether a GPU trains.
        epochs: of the run.
    """

    shape: Sequence[int]
    on_gpu: bool
    epochs: int = 100

    @property
    def dims(self) -> int:
        """Spatial dimensions, 2 or 3."""
        return len(self.shape)

    @property
    def longest(self) -> int:
        """Voxels along the longest axis."""
        return max(self.shape)

    def sides(self, levels: int) -> list[list[int]]:
        """Return the size at each of so many resolutions, each half of the one before.

        >>> Setting([64, 48], on_gpu=False).sides(3)
        [[64, 48], [32, 24], [16, 12]]
        """
        return [[ceil(length / 2**level) for length in self.shape] for level in range(levels)]

    def voxels(self, level: int) -> int:
        """Return the number of voxels at a resolution, counted from the finest."""
        return prod(self.sides(level + 1)[level])
