"""Which rows of a CSV a model cannot use, and why: before training, and before images are made of them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from pydantic import JsonValue

from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.loading.conditioners import Conditioner, ConditionPart, build_conditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, raise_if_any

_SHOWN = 20


def check_rows(manifest: Manifest, parts: Sequence[ConditionPart], scans: Scans) -> None:
    """Refuse rows that a model of ``parts`` cannot use.

    Args:
        manifest: the rows.
        parts: what the model is conditioned on.
        scans: what is known of their files.

    Raises:
        DataError: each of them.
    """
    raise_if_any([problem for part in parts for problem in _unusable(manifest, *_learned(part), scans)], DataError)


def check_inputs(manifest: Manifest, parts: Sequence[ConditionPart], scans: Scans) -> None:
    """Refuse rows of which a trained model cannot make images: those of ``check_rows``, and those that lack something.

    Raises:
        DataError: each of them.
    """
    check_rows(manifest, parts, scans)
    problems = []
    for part in parts:
        conditioner, _ = _learned(part)
        absent = [] if part.optional else np.flatnonzero(~conditioner.rows_that_say(manifest)).tolist()
        lacking = [manifest.samples[place] for place in absent]
        what = f"is empty, and the model never learned to do without ({part.conditioner})"
        problems += [Problem(_place(manifest, sample, conditioner.cell), what, conditioner.needs) for sample in lacking]
    raise_if_any(problems, DataError)


def check_sources(manifest: Manifest, parts: Sequence[ConditionPart]) -> None:
    """Refuse images to be learned that have nothing beside them to be made from; for a model that makes no others.

    Raises:
        DataError: each of them.
    """
    images = [_learned(part)[0] for part in parts if part.kind == "channels"]
    lacking = manifest.presence.targets
    for each in images:
        lacking = lacking & ~each.rows_that_teach(manifest)
    what = "is empty, and nothing else says what the image of this row is made from"
    fix = f"{images[0].needs}; or leave the row out" if images else ""
    rows = [manifest.samples[place] for place in np.flatnonzero(lacking).tolist()]
    raise_if_any([Problem(_place(manifest, sample, images[0].cell), what, fix) for sample in rows], DataError)


def check_before_fit(manifests: Sequence[Manifest], steps: Sequence[Step], scans: Scans) -> None:
    """Refuse rows that no model can use whatever it learns from the training rows; see ``Conditioner.check``.

    Raises:
        DataError: each of them.
    """
    conditioners = [build_conditioner(step.name, step.parameters) for step in steps]
    pairs = product(conditioners, manifests)
    raise_if_any([problem for each, manifest in pairs for problem in _unusable(manifest, each, None, scans)], DataError)


def _unusable(
    manifest: Manifest, conditioner: Conditioner, facts: Mapping[str, JsonValue] | None, scans: Scans
) -> Iterator[Problem]:
    alike = conditioner.rows_to_check(manifest)
    wrong = [(sample, what) for rows in alike if (what := conditioner.check(rows[0], scans, facts)) for sample in rows]
    for sample, what in sorted(wrong, key=lambda each: each[0].row):
        yield Problem(_place(manifest, sample, conditioner.cell), what)


def _learned(part: ConditionPart) -> tuple[Conditioner, Mapping[str, JsonValue]]:
    """Return the conditioner of a part, and what it has learned from the training rows."""
    return build_conditioner(part.conditioner, part.parameters), part.facts


def warnings_of(manifest: Manifest, parts: Sequence[ConditionPart]) -> list[str]:
    """Return what a person should know before a trained model makes images of ``manifest``."""
    found = [
        f"{_place(manifest, sample, conditioner.cell)}: {what}"
        for conditioner, facts in map(_learned, parts)
        for sample in manifest.samples
        if (what := conditioner.warn(sample, facts))
    ]
    return found[:_SHOWN] + ([f"… and {len(found) - _SHOWN} more like these"] if len(found) > _SHOWN else [])


def _place(manifest: Manifest, sample: Sample, column: str) -> str:
    """Return where a row is, and its cell, for a message."""
    path = sample.named_files.get(column)
    row = f"{manifest.path} row {sample.row}"
    return row + (f", column {column}" if column else "") + (f" ({path})" if path else "")
