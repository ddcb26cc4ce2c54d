"""Which rows of a CSV a model cannot use, and why: before training, and before images are made of them."""

from collections.abc import Sequence

from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.loading.conditioners import ConditionPart, build_conditioner
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
    problems = [
        Problem(_place(manifest, sample, conditioner.cell), what)
        for part in parts
        for conditioner in [build_conditioner(part.conditioner, part.parameters)]
        for sample in manifest.samples
        if (what := conditioner.check(sample, scans, part.facts))
    ]
    raise_if_any(problems, DataError)


def check_inputs(manifest: Manifest, parts: Sequence[ConditionPart], scans: Scans) -> None:
    """Refuse rows of which a trained model cannot make images: those of ``check_rows``, and those that lack something.

    Raises:
        DataError: each of them.
    """
    check_rows(manifest, parts, scans)
    problems = []
    for part in parts:
        conditioner = build_conditioner(part.conditioner, part.parameters)
        lacking = [] if part.optional else [sample for sample in manifest.samples if not conditioner.says(sample)]
        what = f"is empty, and the model never learned to do without ({part.conditioner})"
        problems += [Problem(_place(manifest, sample, conditioner.cell), what, conditioner.needs) for sample in lacking]
    raise_if_any(problems, DataError)


def check_before_fit(manifests: Sequence[Manifest], steps: Sequence[Step], scans: Scans) -> None:
    """Refuse rows that no model can use whatever it learns from the training rows; see ``Conditioner.check``.

    Raises:
        DataError: each of them.
    """
    problems = [
        Problem(_place(manifest, sample, conditioner.cell), what)
        for step in steps
        for conditioner in [build_conditioner(step.name, step.parameters)]
        for manifest in manifests
        for sample in manifest.samples
        if (what := conditioner.check(sample, scans))
    ]
    raise_if_any(problems, DataError)


def warnings_of(manifest: Manifest, parts: Sequence[ConditionPart]) -> list[str]:
    """Return what a person should know before a trained model makes images of ``manifest``."""
    found = [
        f"{_place(manifest, sample, conditioner.cell)}: {what}"
        for part in parts
        for conditioner in [build_conditioner(part.conditioner, part.parameters)]
        for sample in manifest.samples
        if (what := conditioner.warn(sample, part.facts))
    ]
    return found[:_SHOWN] + ([f"… and {len(found) - _SHOWN} more like these"] if len(found) > _SHOWN else [])


def _place(manifest: Manifest, sample: Sample, column: str) -> str:
    """Return where a row is, and its cell, for a message."""
    path = sample.named_files.get(column)
    row = f"{manifest.path} row {sample.row}"
    return row + (f", column {column}" if column else "") + (f" ({path})" if path else "")
