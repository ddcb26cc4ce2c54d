"""What a writer of a file format is; one file per format, found through the entry-point group ``writers``."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from gandlf_synth.data.formats.image import Values
from gandlf_synth.geometry import Geometry

Modality = Literal["rad", "histo"]


class Writer(BaseModel, ABC):
    """Writes one file format, and knows where in a file the provenance is.

    Equal arguments must give equal bytes: no dates, no paths.

    Example:
        A format of your own, which ``register`` or an entry point makes known; ``generate --format array`` writes it:

        >>> import numpy as np
        >>> class ArrayWriter(Writer):
        ...     suffixes = (".npz",)
        ...     channels = (1, 2, 3, 4)
        ...
        ...     def __call__(self, path, voxels, geometry, provenance):
        ...         np.savez(path, voxels=voxels, affine=geometry.affine, provenance=as_text(provenance))
        ...
        ...     def embedded_text(self, path):
        ...         return str(np.load(path)["provenance"])
        >>> ArrayWriter().suffix
        '.npz'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suffixes: ClassVar[tuple[str, ...]]
    """File-name endings, such as ``(".nii.gz", ".nii")``: the first is written, all are read back."""
    channels: ClassVar[tuple[int, ...]] = (1,)
    """How many channels one file can hold; others are written one channel per file."""
    spatial_dims: ClassVar[tuple[int, ...]] = (2, 3)
    """Dimensions of the images that a file can hold."""
    number_types: ClassVar[tuple[str, ...]] = ()
    """Number types that a file can hold, such as ``("uint8", "uint16")``; empty: all."""
    as_pictures: ClassVar[bool] = False
    """Whether synthetic images are written as 8-bit grey or colour, and not in the units and the type of the data."""
    exact: ClassVar[bool] = True
    """Whether a file gives back the very values that were written."""
    further_mark: ClassVar[str] = ""
    """What tells other programs that an image is synthetic, such as "the source type in XMP"; empty: nothing."""
    suits: ClassVar[tuple[Modality, ...]] = ()
    """Modalities for which ``output_format: auto`` takes this format."""

    @property
    def suffix(self) -> str:
        """The ending of the files that it writes."""
        return self.suffixes[0]

    @abstractmethod
    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write one image atomically.

        Args:
            path: the file, with ``suffix``.
            voxels: ``(channels, *spatial)``, in the number type to write.
            geometry: the grid.
            provenance: what JSON can hold; kept inside the file.
        """

    @abstractmethod
    def embedded_text(self, path: Path) -> str | None:
        """Return the text where this writer puts the provenance, or None where a file has none."""

    def is_marked(self, path: Path) -> bool:
        """Say whether a file carries ``further_mark``, where the format has one."""
        return True

    def fits(self, voxels: Values) -> bool:
        """Say whether one file can hold ``voxels (channels, *spatial)``."""
        return len(voxels) in self.channels

    def holds(self, number_type: str) -> bool:
        """Say whether a file can hold values of a number type, such as ``"int16"``."""
        return not self.number_types or number_type in self.number_types


def as_text(provenance: Mapping[str, object]) -> str:
    """Return ``provenance`` as JSON on one line of ASCII, keys sorted.

    Example:
        >>> as_text({"seed": 7, "class": "glioma"})
        '{"class": "glioma", "seed": 7}'
    """
    return json.dumps(provenance, sort_keys=True)
