"""Where an evaluation lies on the disk, so that the report can be made again without computing anything."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from gandlf_synth.errors import DataError, Problem
from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.gallery import Arrays
from gandlf_synth.evaluation.privacy import Privacy
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.files import atomic_path, write_text
from gandlf_synth.metrics.first_order import NAMES


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
            evaluation = Evaluation.model_validate_json(self.metrics.read_text())
            with np.load(self.arrays) as content:
                return evaluation, dict(content)
        except (ValidationError, ValueError) as error:
            what = f"cannot be read: {str(error).splitlines()[0]}"
            raise DataError(Problem(str(self.metrics), what, fix="run gandlf-synth evaluate again")) from error


def write_images(path: Path, real: ImageSetFeatures, synthetic: ImageSetFeatures, found: Privacy) -> None:
    """Write one row per image: its first-order features, and for synthetic ones the nearest training image."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["set", "image", "subject", "label", *NAMES, "training_correlation", "nearest_training", "copy"])
    for described in (real, synthetic):
        searched = described is synthetic and len(found.nearest) > 0
        for k, sample in enumerate(described.planes.samples):
            values = [f"{value:.6g}" for value in described.first_order[k]]
            copy = (
                [f"{found.correlation[k]:.6f}", found.nearest[k], int(found.flagged[k])] if searched else ["", "", ""]
            )
            label = sample.label_name or ("" if sample.label is None else sample.label)
            writer.writerow(
                [described.planes.name, ";".join(map(str, sample.channels)), sample.subject, label, *values, *copy]
            )
    write_text(path, text.getvalue())
