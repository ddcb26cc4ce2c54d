"""What a model needs to know of the data; derived from it, stored with the model, enough to write images."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.loading.conditioners import ConditionPart, class_part
from gandlf_synth.geometry import Geometry


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

    conditions: tuple[ConditionPart, ...] = ()
    """What the model is conditioned on besides the class."""

    @property
    def parts(self) -> tuple[ConditionPart, ...]:
        """Everything that the model is conditioned on, in the order in which networks take it: the class first."""
        classes = (class_part(self.labels),) if self.labels else ()
        return (*classes, *self.conditions)

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
