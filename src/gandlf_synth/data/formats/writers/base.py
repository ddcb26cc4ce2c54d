"""What a writer of a file format is; one file per format, found through the entry-point group ``writers``."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from gandlf_synth.data.formats.image import Values
from gandlf_synth.data.formats.readers.base import FOLDER
from gandlf_synth.errors import MissingExtraError
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
    """File-name endings, such as ``(".nii.gz", ".nii")``: the first is written, all are read back. ``"/"`` stands for a
    folder, whose name has no ending."""
    channels: ClassVar[tuple[int, ...]] = (1,)
    """How many channels one file can hold; others are written one channel per file."""
    spatial_dims: ClassVar[tuple[int, ...]] = (2, 3)
    """Dimensions of the images that a file can hold."""
    number_types: ClassVar[tuple[str, ...]] = ()
    """Number types that a file can hold, such as ``("uint8", "uint16")``; empty: all."""
    as_pictures: ClassVar[bool] = False
    """Whether synthetic images are written as 8-bit grey or colour, and not in the units and the type of the data."""
    exact: ClassVar[bool] = True
    """Whether a file gives back the very values that were written; others keep at least whole numbers of 16 bits, and
    all other values in 65,535 equal steps."""
    lossy: ClassVar[bool] = False
    """Whether values change by more than rounding, so that files are to be looked at only."""
    further_mark: ClassVar[str] = ""
    """What tells other programs that an image is synthetic, such as "the source type in XMP"; empty: nothing."""
    labels: ClassVar[str] = ""
    """The writer, by its registered name, of label maps that belong to images of this format; empty: none."""
    extra: ClassVar[tuple[str, str]] = ("", "")
    """A package that it needs and that need not be installed, and the extra that brings it."""
    suits: ClassVar[tuple[Modality, ...]] = ()
    """Modalities for which ``output_format: auto`` takes this format."""

    @property
    def suffix(self) -> str:
        """The ending of the files that it writes; nothing for folders."""
        return self.suffixes[0].removesuffix(FOLDER)

    @property
    def missing_extra(self) -> MissingExtraError | None:
        """What to say where the package that it needs is not installed."""
        package, extra = self.extra
        if not package or find_spec(package):
            return None
        return MissingExtraError(f"writing {self.suffix or 'folders'}", package, extra)

    @abstractmethod
    def __call__(self, path: Path, voxels: Values, geometry: Geometry, provenance: Mapping[str, object]) -> None:
        """Write one image atomically.

        Args:
            path: the file, with ``suffix``, or the folder.
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

    def could_have_written(self, path: Path) -> bool:
        """Say by its name whether a file or folder may be of this format."""
        if path.is_dir():
            return FOLDER in self.suffixes
        return path.name.endswith(tuple(suffix for suffix in self.suffixes if suffix != FOLDER))

    def made_from(self, cells: Sequence[Path]) -> Self:
        """Return what writes an image that is made from those that ``cells`` of a CSV name, the first on its grid.

        Formats that hold nothing of it return themselves.
        """
        return self

    def refusal(self, geometry: Geometry) -> str:
        """Return why images on a grid cannot be written, such as "states no size"; nothing where they can."""
        return ""

    def remark(self, modality: str) -> str:
        """Return what a person should know before images of a DICOM modality, ``MR`` or unknown, are written."""
        return ""

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
