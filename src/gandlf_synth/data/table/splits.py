"""Splits a data set into train, validation and test by subject, and checks that splits share nothing."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations

from gandlf_synth.config import Phase
from gandlf_synth.data.table.manifest import Manifest, Sample, paradigm
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import DataError, Problem, listing, option, raise_if_any

_SHOWN = 5


@dataclass(frozen=True)
class _Unit:
    """What is never divided: the rows of a subject; with patients as labels, one row."""

    name: str
    samples: tuple[Sample, ...]

    @property
    def labels(self) -> list[int | None]:
        """The labels of the rows, the most common first."""
        counts = Counter(sample.label for sample in self.samples)
        return sorted(counts, key=lambda label: (-counts[label], label or 0))


def split(manifest: Manifest, test_ratio: float, val_ratio: float, seed: int) -> dict[Phase, Manifest]:
    """Return ``train`` and, where their ratios are not 0, ``val`` and ``test``; no subject is in two of them.

    The outcome depends on the seed and the subjects' names, not on the order of the rows or on folders. Every label
    keeps a subject in training; beyond that, labels are shared out in proportion. Where the label is the patient,
    rows take the place of subjects.

    Args:
        manifest: the whole data set.
        test_ratio: the fraction of all subjects for the test split, in [0, 1).
        val_ratio: the fraction of all subjects for the validation split, in [0, 1).
        seed: decides which subjects.

    Raises:
        DataError: a ratio outside [0, 1); a split, training included, would be empty; patients with one row each.
    """
    ratios: dict[Phase, float] = {"test": test_ratio, "val": val_ratio}
    wrong = [phase for phase, ratio in ratios.items() if not 0 <= ratio < 1]
    problems = [Problem(_ratio_option(phase), f"is {ratios[phase]}", "0 ≤ ratio < 1") for phase in wrong]
    raise_if_any(problems, DataError)
    shares = {phase: ratio for phase, ratio in ratios.items() if ratio}
    if not shares:
        return {"train": manifest}
    units = sorted(_units(manifest), key=lambda unit: (blake2b(f"{seed}:{unit.name}".encode()).digest(), unit.name))
    free = _without_one_per_label(units)
    counts = _counts(manifest, len(units), len(free), shares)
    rows: dict[Phase, set[int]] = {}
    for phase, count in counts.items():
        taken = _drawn(free, count)
        free = [unit for unit in free if unit.name not in taken]
        rows[phase] = {sample.row for unit in units if unit.name in taken for sample in unit.samples}
    rows["train"] = {sample.row for sample in manifest.samples}.difference(*rows.values())
    phases: tuple[Phase, ...] = ("train", "val", "test")
    return {p: manifest.subset(s for s in manifest.samples if s.row in rows[p]) for p in phases if p in rows}


def _ratio_option(phase: Phase) -> str:
    return option(f"{phase}_ratio")


def _units(manifest: Manifest) -> list[_Unit]:
    groups = _by_subject(manifest)
    if paradigm(manifest) != "patient":
        return [_Unit(subject, tuple(rows)) for subject, rows in groups.items()]
    single = sorted(subject for subject, rows in groups.items() if len(rows) == 1)
    if single:
        have = f"{len(single)} of {len(groups)} patients have one row ({listing(single, _SHOWN)})"
        fix = (
            "if a patient's only row is split off, training never sees that label: train without "
            f"{_ratio_option('val')} and {_ratio_option('test')}, "
            "give every patient several rows, or remove LabelMapping and Label for an unlabeled model"
        )
        raise DataError(
            Problem(str(manifest.path), f"the patient is the label and {have}: it cannot be split", fix=fix)
        )
    return [
        _Unit(f"{subject}#{rank}", (sample,))
        for subject, rows in groups.items()
        for rank, sample in enumerate(sorted(rows, key=lambda sample: sample.files))
    ]


def _by_subject(manifest: Manifest) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in manifest.samples:
        groups[sample.subject].append(sample)
    return groups


def _without_one_per_label(units: Sequence[_Unit]) -> list[_Unit]:
    """Return the units but for the first of every label, which stays in training."""
    seen: set[int | None] = set()
    free = []
    for unit in units:
        if seen.issuperset(unit.labels):
            free.append(unit)
        seen.update(unit.labels)
    return free


def _counts(manifest: Manifest, total: int, free: int, shares: Mapping[Phase, float]) -> dict[Phase, int]:
    """Return how many units each split takes of ``total``, of which ``free`` may leave training."""
    noun = "rows" if paradigm(manifest) == "patient" else "subjects"
    counts = {phase: math.floor(total * ratio + 0.5) for phase, ratio in shares.items()}
    problems = []
    if free < len(shares):
        need = total - free + len(shares)
        what = f"{total} {noun} are too few to split off {' and '.join(shares)}{_one_per_label(manifest)}"
        problems.append(Problem(str(manifest.path), what, f"at least {need} {noun}"))
    elif sum(counts.values()) > free:
        what = f"{' + '.join(map(str, counts.values()))} of {total} {noun} leave too few for training"
        parts = {phase: max(1, math.floor(free * ratio / sum(shares.values()))) for phase, ratio in shares.items()}
        fitting = " and ".join(f"{_ratio_option(phase)} {part / total:.4g}" for phase, part in parts.items())
        where = " and ".join(f"{_ratio_option(phase)} {ratio}" for phase, ratio in shares.items())
        problems.append(Problem(where, what + _one_per_label(manifest), f"at most {free} in all, such as {fitting}"))
    else:
        for phase in (phase for phase, count in counts.items() if count == 0):
            what = f"{shares[phase]} of {total} {noun} in {manifest.path} is less than one"
            problems.append(Problem(_ratio_option(phase), what, f"{math.ceil(10_000 / total) / 10_000:g} or more"))
    raise_if_any(problems, DataError)
    return counts


def _one_per_label(manifest: Manifest) -> str:
    return f" (each of the {len(manifest.labels)} labels needs one in training)" if len(manifest.labels) > 1 else ""


def _drawn(free: Sequence[_Unit], count: int) -> set[str]:
    """Return the names of ``count`` units, from every label in proportion (largest remainders)."""
    strata: dict[int | None, list[str]] = defaultdict(list)
    for unit in free:
        strata[unit.labels[0]].append(unit.name)
    quotients = {label: count * len(names) / len(free) for label, names in strata.items()}
    quotas = {label: math.floor(share) for label, share in quotients.items()}
    by_remainder = sorted(quotients, key=lambda label: quotas[label] - quotients[label])
    for label in by_remainder[: count - sum(quotas.values())]:
        quotas[label] += 1
    return {name for label, names in strata.items() for name in names[: quotas[label]]}


def check_disjoint(manifests: Mapping[Phase, Manifest]) -> None:
    """Check that no subject and no file is in two splits; where the label is the patient, subjects may be.

    Names of subjects that are only file names are not compared between CSVs.

    Raises:
        DataError: the number of subjects and of files that two splits share, with the first ones.
    """
    problems = []
    by_patient = all(paradigm(manifest) == "patient" for manifest in manifests.values())
    for (name, one), (other_name, other) in combinations(manifests.items(), 2):
        if isinstance(one, StoredManifest) and isinstance(other, StoredManifest) and one.store is other.store:
            continue  # by subject, and no cell names another's image
        same = one.path == other.path
        both = f"{name} and {other_name}"
        where = str(one.path) if same else f"{one.path} and {other.path}"
        if not by_patient and (same or (one.names_identify and other.names_identify)):
            fix = "keep each in one of them; if they are different subjects, give them different names in SubjectID"
            problems += _shared(where, f"subjects are in both {both}", _subject_rows(one), _subject_rows(other), fix)
        fix = "give all rows that use a file one SubjectID" if same else "keep each in one of them"
        problems += _shared(where, f"files are in both {both}", _file_rows(one), _file_rows(other), fix)
    raise_if_any(problems, DataError)


def _subject_rows(manifest: Manifest) -> dict[str, int]:
    return {subject: rows[0].row for subject, rows in _by_subject(manifest).items()}


def _file_rows(manifest: Manifest) -> dict[str, int]:
    if isinstance(manifest, StoredManifest):
        table = manifest.store.rows[["key", "row"]][manifest.samples.places]
        return {f"image {key.decode()}": row for key, row in table.tolist()}
    return {os.path.realpath(file): sample.row for sample in manifest.samples for file in sample.images.values()}


def _shared(where: str, what: str, one: Mapping[str, int], other: Mapping[str, int], fix: str) -> list[Problem]:
    both = sorted(one.keys() & other.keys())
    shown = listing((f"{name} (rows {one[name]} and {other[name]})" for name in both), _SHOWN)
    return [Problem(where, f"{len(both)} {what}: {shown}", fix=fix)] if both else []


def check_labels(train: Manifest, other: Manifest) -> None:
    """Check that ``other`` has the labels that a model trained on ``train`` knows, under the same names.

    Raises:
        DataError: a missing Label column, labels that training does not have, labels that mean another class there.
    """
    known, problems = train.labels, []
    if not known:
        return
    if not other.labels:
        problems.append(Problem(str(other.path), f"has no Label column, which {train.path} has"))
    named = any(sample.label_name for sample in train.samples) and any(sample.label_name for sample in other.samples)
    for label, name in other.labels.items():
        rows = [sample.row for sample in other.samples if sample.label == label]
        place = f"{other.path} row {rows[0]}, column Label"
        if label not in known:
            what = f"label {label} ({name}, {len(rows)} rows) does not occur in {train.path}"
            problems.append(Problem(place, what, listing(f"{own} ({title})" for own, title in known.items())))
        elif named and name != known[label]:
            problems.append(
                Problem(place, f"label {label} is {name!r} here and {known[label]!r} in {train.path}", "one meaning")
            )
    raise_if_any(problems, DataError)
