"""How the values in a written file relate to those of the data that the model was trained on.

A picture of 8 bits made from 16-bit data or from CT holds other numbers than the data. Its provenance says which, so
that whoever compares it with the data gets back to one unit.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import locate, read_image
from gandlf_synth.data.formats.scan import FileScan
from gandlf_synth.data.formats.writers import read_provenance

_KEY = "values"


class RecordedScale(BaseModel):
    """The way from the values in a file back to the units of the data, per channel.

    Example:
        >>> RecordedScale(scale=(257.0,), offset=(0.0,), number_type="uint16").as_provenance()
        {'values': {'scale': [257.0], 'offset': [0.0], 'number_type': 'uint16'}}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    """``value in the units of the data = value in the file · scale + offset``."""
    number_type: str
    """In which the data holds its values."""

    def channels(self, start: int, count: int) -> Self:
        """Return the scale of ``count`` channels from ``start`` on."""
        part = slice(start, start + count)
        return self.model_copy(update={"scale": self.scale[part], "offset": self.offset[part]})

    def as_provenance(self) -> dict[str, Any]:
        """Return what the provenance of a file says of it."""
        return {_KEY: {"scale": list(self.scale), "offset": list(self.offset), "number_type": self.number_type}}

    @classmethod
    def from_provenance(cls, provenance: Mapping[str, Any]) -> Self | None:
        """Return what the provenance of a file says, None where it says nothing of values."""
        try:
            return cls.model_validate(provenance.get(_KEY))
        except ValidationError:
            return None

    @property
    def changes_values(self) -> bool:
        """Whether the values in the file are others than those of the data."""
        return any(scale != 1 for scale in self.scale) or any(self.offset)


def read_in_data_units(cell: Path) -> Image:
    """Return the image that a CSV cell names, in the units of the data where its file records them.

    Raises:
        UnreadableError: as ``read_image``.
    """
    image = read_image(cell)
    recorded = _recorded(cell, image.dtype)
    if recorded is None or len(recorded.scale) != image.num_channels:
        return image
    return image.rescaled(np.array(recorded.scale), np.array(recorded.offset))


def scan_in_data_units(cell: Path, scan: FileScan) -> FileScan:
    """Return the scan of the file that ``cell`` names as if its values were in the units of the data."""
    recorded = None if scan.problem else _recorded(cell, scan.dtype)
    if recorded is None or len(recorded.scale) != scan.channels:
        return scan
    scale, offset = np.array(recorded.scale), np.array(recorded.offset)
    low, high = (tuple((np.array(ends) * scale + offset).tolist()) for ends in (scan.low, scan.high))
    extremes = np.concatenate([end * scale + offset for end in (scan.smallest, scan.largest)])
    return replace(
        scan,
        low=low,
        high=high,
        smallest=float(extremes.min()),
        largest=float(extremes.max()),
        dtype=recorded.number_type,
        whole_numbers=False,
        hounsfield_shares=(),
    )


def _recorded(cell: Path, number_type: str) -> RecordedScale | None:
    """Return what a file of 8 bits records, None where it holds the data's values as files of other types do."""
    if number_type != "uint8":
        return None
    provenance = read_provenance(locate(cell).path)
    recorded = RecordedScale.from_provenance(provenance) if provenance else None
    return recorded if recorded is not None and recorded.changes_values else None
