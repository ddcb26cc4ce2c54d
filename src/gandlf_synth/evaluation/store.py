"""Where an evaluation lies on the disk, so that the report can be made again without computing anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from gandlf_synth.errors import DataError, Problem
from gandlf_synth.evaluation.planes import PlaneSet
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.files import atomic_path, write_csv, write_text
from gandlf_synth.geometry import Voxels
from gandlf_synth.metrics.first_order import NAMES
from gandlf_synth.metrics.image_set import ImageSetFeatures
from gandlf_synth.metrics.results import Measurement

Arrays = dict[str, Voxels]
"""What the figures are drawn from, by name."""


@dataclass(frozen=True)
class EvaluationFolder:
    """Every place in an output folder."""

    root: Path

    @property
    def metrics(self) -> Path:
        """All numbers."""
        return self.root / "metrics.json"

    @property
    def arrays(self) -> Path:
        """What the figures are drawn from."""
        return self.root / "arrays.npz"

    @property
    def images(self) -> Path:
        """One row per image."""
        return self.root / "images.csv"

    def report(self, suffix: str) -> Path:
        """The report in a format."""
        return self.root / f"report.{suffix}"

    def write(self, evaluation: Evaluation, arrays: Arrays) -> None:
        """Write numbers and arrays."""
        write_text(self.metrics, evaluation.model_dump_json(indent=2) + "\n")
        with atomic_path(self.arrays) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def read(self) -> tuple[Evaluation, Arrays]:
        """Return what ``write`` wrote.

        Raises:
            DataError: there is none, or it is of another version.
        """
        for path in (self.metrics, self.arrays):
            if not path.is_file():
                fix = "run gandlf-synth evaluate first, or name its output folder"
                raise DataError(Problem(str(path), "does not exist", fix=fix))
        try:
            evaluation = Evaluation.model_validate_json(self.metrics.read_text(encoding="utf-8"))
            with np.load(self.arrays) as content:
                return evaluation, dict(content)
        except (ValidationError, ValueError) as error:
            what = f"cannot be read: {str(error).splitlines()[0]}"
            raise DataError(Problem(str(self.metrics), what, fix="run gandlf-synth evaluate again")) from error


def write_images(
    path: Path, planes: Sequence[PlaneSet], features: Sequence[ImageSetFeatures], measurements: Sequence[Measurement]
) -> None:
    """Write one row per image: its first-order features, and what set metrics say of each synthetic image.

    Args:
        path: of the CSV.
        planes: the real and the synthetic images.
        features: the same in numbers.
        measurements: whose columns are written.
    """
    columns = {name: texts for measurement in measurements for name, texts in measurement.columns.items()}
    rows: list[list[object]] = [["set", "image", "subject", "label", *NAMES, *columns]]
    for part, numbers in zip(planes, features, strict=True):
        for k, sample in enumerate(part.samples):
            label = sample.label_name or ("" if sample.label is None else sample.label)
            values = [f"{value:.6g}" for value in numbers.first_order[k]]
            findings = [texts[k] if part.name == "synthetic" else "" for texts in columns.values()]
            rows.append([part.name, ";".join(map(str, sample.channels)), sample.subject, label, *values, *findings])
    write_csv(path, rows)
