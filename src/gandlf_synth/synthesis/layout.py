"""Where the files of an image lie in a folder of synthetic images, and what they are called."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.files import file_name, read_json
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.synthesis.croissant import write_croissant


@dataclass(frozen=True)
class ImagePlace:
    """Where the files of one image go.

    Args:
        folder: of all of them.
        names: of the file of each CSV column, without its ending.
        sidecars: the JSON files that say where the image comes from.
        facts: what the layout wants them to say besides.
    """

    folder: Path
    names: Sequence[str]
    sidecars: Sequence[str]
    facts: Mapping[str, object] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return what the sidecar of the image says, whoever wrote it; empty without one."""
        sidecar = self.folder / self.sidecars[-1]
        return read_json(sidecar) if sidecar.is_file() else {}

    def files(self) -> list[Path]:
        """Return the files of the image, once it is complete; its last sidecar is written last."""
        paths = [self.folder / Path(name).name for name in self.record().get("files", [])]
        return paths if all(path.exists() for path in paths) else []


@dataclass(frozen=True)
class Described:
    """An image with what it was asked to show.

    Args:
        place: where it is.
        conditions: such as its class and the cells of its row.
        subject: whom its row is of; empty for new images.
    """

    place: ImagePlace
    conditions: Mapping[str, object]
    subject: str = ""


@dataclass(frozen=True)
class Layout(ABC):
    """How a folder of synthetic images is ordered.

    Args:
        folder: of all files.
        column_names: what tells the files of the CSV columns of an image apart.
        samples: the rows of the CSV that images are made from; none: new images.
    """

    folder: Path
    column_names: Sequence[str]
    samples: Sequence[Sample] = ()

    @abstractmethod
    def of_number(self, index: int, label: int | None) -> ImagePlace:
        """Return where the new image ``index`` of the class with the CSV's ``label`` goes."""

    @abstractmethod
    def of_row(self, sample: Sample, kind: str) -> ImagePlace:
        """Return where what is made of a row goes; ``kind`` is such as ``synthetic``, ``synthetic_0`` or ``mean``."""

    def describe(self, images: Sequence[Described], about: Mapping[str, Any]) -> None:
        """Write what describes the whole of the images, once ``images.csv`` is there; ``about`` names the model."""
        place = InferenceFolder(self.folder)
        write_croissant(place.croissant, place.images_csv, about, from_rows=bool(self.samples))


class PlainLayout(Layout):
    """All files in one folder, with names that say what they are.

    Example:
        >>> PlainLayout(Path("made"), ("t1", "t2")).of_number(7, label=3).names
        ['generated_image_7_label_3_t1', 'generated_image_7_label_3_t2']
    """

    def of_number(self, index: int, label: int | None) -> ImagePlace:
        """Return ``generated_image_7_label_3``."""
        return self.of_name(f"generated_image_{index}" + ("" if label is None else f"_label_{label}"))

    def of_row(self, sample: Sample, kind: str) -> ImagePlace:
        """Return the subject and the kind, with the row between them where several rows are of that subject."""
        own = _file_subject(sample)
        return self.of_name(f"{own}_{kind}" if self._rows_of[own] == 1 else f"{own}_row_{sample.row}_{kind}")

    @cached_property
    def _rows_of(self) -> Mapping[str, int]:
        return Counter(map(_file_subject, self.samples))

    def of_name(self, name: str) -> ImagePlace:
        """Return the files that are called after ``name`` and, of several columns, after their column."""
        endings = [f"_{file_name(column)}" for column in self.column_names] if len(self.column_names) > 1 else [""]
        return ImagePlace(self.folder, [f"{name}{ending}" for ending in endings], [f"{name}.json"])


def _file_subject(sample: Sample) -> str:
    return file_name(sample.subject.replace("/", "_"))
