"""Splits a data set into train, validation and test by subject, and checks that splits share nothing."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations

from gandlf_synth.config import LabelingParadigm, Phase
from gandlf_synth.data.manifest import Manifest, Sample, paradigm
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any

_SHOWN = 5
_RATIOS: dict[Phase, str] = {"test": "-tr, --test-ratio", "val": "-vr, --val-ratio"}


@dataclass(frozen=True)
class _Unit:
    """What is never divided: the rows of a subject, or with patients as labels one row."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def labels(self) -> list[int]:
        """The labels of the rows, the most common first."""
        counts = Counter(sample.label for sample in self.samples if sample.label is not None)
        return sorted(counts, key=lambda label: (-counts[label], label))


def split(manifest: Manifest, test_ratio: float, val_ratio: float, seed: int) -> dict[Phase, Manifest]:
    """Return ``train`` and, where their ratios are not 0, ``val`` and ``test``; no subject is in two of them.

    The outcome depends on the seed and the subjects' names only, not on the order of the rows or on folders. Every
    label stays in training, and the labels are shared out in proportion. Where the label is the patient, rows
    take the place of subjects.

    Args:
        manifest: the whole data set.
        test_ratio: the fraction of all subjects for the test split, in [0, 1).
        val_ratio: the fraction of all subjects for the validation split, in [0, 1).
        seed: decides which subjects.

    Raises:
        DataError: a ratio outside [0, 1); a split, training included, would be empty; patients with one row each.
    """
    ratios: dict[Phase, float] = {"test": test_ratio, "val": val_ratio}
    raise_if_any([_outside(phase, ratio) for phase, ratio in ratios.items() if not 0 <= ratio < 1], DataError)
    wanted = {phase: ratio for phase, ratio in ratios.items() if ratio}
    if not wanted:
        return {"train": manifest}
    units = _units(manifest)
    units.sort(key=lambda unit: (blake2b(f"{seed}:{unit.name}".encode()).digest(), unit.name))
    counts = _counts(manifest, units, wanted)
    free = _without_one_per_label(units)
    if sum(counts.values()) > len(free):
        raise DataError(_too_many(manifest, len(units), len(free), wanted))
    taken: dict[Phase, list[_Unit]] = {}
    for phase, count in counts.items():
        taken[phase] = _drawn(free, count)
        free = [unit for unit in free if unit not in taken[phase]]
    rows: dict[Phase, set[int]] = {phase: {s.row for unit in own for s in unit.samples} for phase, own in taken.items()}
    rows["train"] = {sample.row for sample in manifest.samples}.difference(*rows.values())
    phases: tuple[Phase, ...] = ("train", "val", "test")
    return {p: manifest.subset(s for s in manifest.samples if s.row in rows[p]) for p in phases if p in rows}
