"""Segments both images of a pair with one program and says how well the two segmentations agree."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.evaluation.paired.comparison import Comparison, Overlap
from gandlf_synth.evaluation.paired.grids import laid_like
from gandlf_synth.evaluation.paired.images import PairImages
from gandlf_synth.evaluation.paired.overlap import StructureOverlap, compare_segmentations
from gandlf_synth.evaluation.paired.pairs import Pair
from gandlf_synth.evaluation.paired.request import PairedRequest
from gandlf_synth.evaluation.paired.segmenter import Labels, Segmenter, missing_sources
from gandlf_synth.files import file_name, write_csv


@dataclass
class PairSegmenter:
    """Measures Dice and HD95 of every pair, keeps the segmentations, and writes one row per structure.

    Args:
        segmenter: the program.
        rule: which structures count.
        folder: where segmentations and ``structures.csv`` go.
        rows: of ``structures.csv``.
        without_structures: subjects of whom nothing was segmented.
    """

    segmenter: Segmenter
    rule: Overlap
    folder: Path
    rows: list[list[object]] = field(default_factory=list)
    without_structures: list[str] = field(default_factory=list)

    @classmethod
    def prepare(cls, request: PairedRequest, comparison: Comparison, pairs: Sequence[Pair]) -> Self:
        """Return the segmenter of a request, which every pair has the files for.

        Raises:
            ConfigError: the command cannot be run.
            DataError: a source that the command names is missing.
        """
        segmenter = Segmenter.parse(request.segmenter, request.segmenter_timeout)
        problems: list[Problem] = []
        for pair in pairs:
            problems += missing_sources(segmenter, pair.original.sources, pair.where)
        raise_if_any(problems[:20], DataError)
        return cls(segmenter, comparison.overlap, request.output_dir / "segmentations")

    def __call__(self, pair: Pair, images: PairImages) -> dict[str, float]:
        """Return the means over structures as ``dice`` and ``hd95`` (mm), nan where there is nothing to average.

        Raises:
            DataError: the program fails; see ``Segmenter``.
        """
        name = f"{file_name(pair.original.subject)}_row_{pair.original.row}.nii.gz"
        sources = {k: path for k, path in enumerate(pair.original.sources) if path}
        reference = self._reference(pair, images, sources, self.folder / "original" / name)
        target = self.folder / "reconstruction" / name
        other = self.segmenter(images.reconstruction, sources, target, pair.made)
        spacing = images.original.geometry.spacing
        found = compare_segmentations(reference, other, spacing, self.rule, pair.original.subject)
        self._keep(pair.original.subject, found)
        distances = [structure.hd95 for structure in found if not np.isnan(structure.hd95)]
        return {
            "dice": float(np.mean([structure.dice for structure in found])) if found else float("nan"),
            "hd95": float(np.mean(distances)) if distances else float("nan"),
        }

    @property
    def notes(self) -> list[str]:
        """What a reader must know of Dice and HD95."""
        lacking = sum(np.isnan(float(str(row[-1]))) for row in self.rows)
        notes = [f"Dice and HD95 (mm) are means over structures, of segmentations by {self.segmenter.words[0]}"]
        if lacking:
            notes.append(
                f"{lacking} structures are in one of two segmentations only: their Dice is 0, and HD95 leaves them out"
            )
        if self.without_structures:
            notes.append(f"nothing was segmented in {len(self.without_structures)} pairs")
        return notes

    def _reference(self, pair: Pair, images: PairImages, sources: dict[int, Path], target: Path) -> Labels:
        if self.rule.reference == "Mask" and pair.original.mask is not None:
            mask = laid_like(read_image(pair.original.mask), images.original.geometry)
            labels: Labels = mask.array[0].astype(np.int32)
            return labels
        return self.segmenter(images.original, sources, target, pair.where)

    def _keep(self, subject: str, found: Sequence[StructureOverlap]) -> None:
        if not found:
            self.without_structures.append(subject)
        self.rows += [[subject, structure.label, structure.dice, structure.hd95] for structure in found]
        write_csv(self.folder / "structures.csv", [["subject", "label", "dice", "hd95"], *self.rows])
