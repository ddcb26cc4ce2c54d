"""Postprocessing by value."""

from collections.abc import Mapping as AnyMapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from gandlf_synth.data.processing.postprocessing.base import Postprocessing, Values


class Mapping(Postprocessing):
    """Replaces values by others, as labels are renumbered: ``mapping: {0: 0, 1: 2, 2: 4}``."""

    table: Annotated[dict[float, float], Field(min_length=1)]
    """Old and new values; voxels become whole numbers first, and what is not listed stays as it is."""

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: Any) -> Any:
        if isinstance(value, AnyMapping) and "table" not in value:
            return {"table": dict(value)}
        return value

    def __call__(self, channel: Values) -> Values:
        """Return the channel with replaced values."""
        rounded = np.rint(channel)
        chosen = [rounded == old for old in self.table]
        return np.select(chosen, [np.full_like(channel, new) for new in self.table.values()], channel)
