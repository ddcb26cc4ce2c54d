"""What a model needs to know of the data; derived from it, stored with the model, enough to write images."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.loading.conditioners import ConditionPart, class_part
from gandlf_synth.geometry import Geometry

_LONGEST_SIDE = 2**16
_NUMBER_TYPES = {"bool", *(np.dtype(code).name for code in "bBhHiIlLqQefdg")}


class DataSpec(BaseModel):
    """The data as the network sees it, and the way back to the units and the space of the files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spatial_dims: Literal[2, 3]
    num_channels: int
    shape: tuple[int, ...]
    """Voxels along each axis of what the network sees."""
    affine: tuple[tuple[float, ...], ...]
    """4×4, voxel index → millimetres in RAS+, of a synthetic image."""
    physical: bool
    """Whether the files state sizes in millimetres."""
    modality: Literal["rad", "histo"]
    paradigm: LabelingParadigm
    labels: tuple[int, ...] = ()
    """The CSV's labels in order; the network's class index is the position here."""
    class_names: tuple[str, ...] = ()
    """The name of each label, the label itself where the CSV has none."""
    low: tuple[float, ...]
    """Per channel, the value in the files' units to which -1 goes back."""
    high: tuple[float, ...]
    """Per channel, the value in the files' units to which 1 goes back."""
    range_scale: tuple[float, ...]
    """Per channel; ``network value = prepared value · range_scale + range_offset``."""
    range_offset: tuple[float, ...]
    dtype: str
    """The number type of the files."""
    column_channels: tuple[int, ...]
    """Channels of each CSV column, in order; they sum to ``num_channels``."""
    column_names: tuple[str, ...]
    """What tells the columns' files apart, such as ``t1``; used in file names."""
    column_modalities: tuple[str, ...] = ()
    """What each column's images are, as DICOM writes it, such as ``MR``; empty where the data does not say."""

    conditions: tuple[ConditionPart, ...] = ()
    """What the model is conditioned on besides the class."""
    source_channels: tuple[int, ...] = ()
    """Channels of each source column that the model looks at, in order."""
    source_names: tuple[str, ...] = ()
    """What tells the sources' files apart."""
    source_scale: tuple[float, ...] = ()
    """Per source channel; as ``range_scale``."""
    source_offset: tuple[float, ...] = ()
    """Per source channel; as ``range_offset``."""

    @model_validator(mode="after")
    def _fits_together(self) -> "DataSpec":
        """Refuse facts that contradict one another: a checkpoint may come from anywhere."""
        channels, columns = self.num_channels, len(self.column_channels)
        if len(self.shape) != self.spatial_dims or not all(1 <= side <= _LONGEST_SIDE for side in self.shape):
            raise ValueError(f"shape {self.shape} is no shape in {self.spatial_dims} dimensions")
        if np.shape(self.affine) != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("affine is not 4×4 finite numbers")
        if not all(number > 0 for number in self.column_channels) or sum(self.column_channels) != channels:
            raise ValueError(f"column_channels {self.column_channels} are not {channels} channels")
        per_channel = (self.low, self.high, self.range_scale, self.range_offset)
        if any(len(values) != channels for values in per_channel) or len(self.column_names) != columns:
            raise ValueError(f"values or names are not of {channels} channels in {columns} columns")
        sources = sum(self.source_channels)
        if not len(self.source_scale) == len(self.source_offset) == sources or min(self.source_channels, default=1) < 1:
            raise ValueError(f"source_channels {self.source_channels} are not {len(self.source_scale)} channels")
        if len(self.column_modalities) not in {0, columns}:
            raise ValueError(f"column_modalities are {len(self.column_modalities)} for {columns} columns")
        if len(self.labels) != len(self.class_names) or len(set(self.labels)) != len(self.labels):
            raise ValueError("labels and class_names do not belong together")
        if self.dtype not in _NUMBER_TYPES:
            raise ValueError(f"dtype {self.dtype[:40]!r} is no number type of images")
        return self

    @property
    def parts(self) -> tuple[ConditionPart, ...]:
        """Everything that the model is conditioned on, in the order in which networks take it: the class first."""
        classes = (class_part(self.labels),) if self.labels else ()
        return (*classes, *self.conditions)

    @property
    def modality_of_columns(self) -> tuple[str, ...]:
        """The modality of each column, empty where it is not known."""
        return self.column_modalities or ("",) * len(self.column_channels)

    @property
    def num_classes(self) -> int:
        """The number of classes; 0 without labels."""
        return len(self.labels)

    @property
    def geometry(self) -> Geometry:
        """The grid of a synthetic image."""
        return Geometry.from_json({"shape": self.shape, "affine": self.affine, "physical": self.physical})

    def class_index(self, name_or_label: str) -> int | None:
        """Return the class index of a class name or label, or None when there is none."""
        for index, (label, name) in enumerate(zip(self.labels, self.class_names, strict=True)):
            if name_or_label in (name, str(label)):
                return index
        return None
