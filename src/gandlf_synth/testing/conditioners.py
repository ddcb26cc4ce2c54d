"""The conformance kit of conditioners: from cells of the CSV to what a network takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gandlf_synth.config import Step
from gandlf_synth.data.loading.condition import Condition, kind_of, unknown_like
from gandlf_synth.data.loading.conditioners import (
    Conditioner,
    ConditionPart,
    ImageConditioner,
    build_conditioner,
    encode_rows,
    fit_conditioners,
)
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.testing.image_conditioners import check_image_conditioner
from gandlf_synth.testing.promises import Promises, checked_step, seen_unless

_LABEL = "Label"


@dataclass(frozen=True)
class _Case:
    """A conditioner and the rows that it is tried on; the last row says nothing."""

    step: Step
    train: Manifest

    @property
    def conditioner(self) -> Conditioner:
        return build_conditioner(self.step.name, self.step.parameters)

    def fit(self) -> ConditionPart:
        (part,) = fit_conditioners([self.step], self.train)
        return part


def check_conditioner(name: str, parameters: object = None, *, rows: Sequence[Mapping[str, str]] = ()) -> None:
    """Check a registered conditioner on made-up rows of a CSV, or on made-up images where it looks at images.

    Args:
        name: the registered name.
        parameters: as in the YAML, under ``model_config.conditioning``.
        rows: the cells of each row by column, with two different ones at least. A row without any is added. Not for
            conditioners that look at images.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the conditioner breaks.

    Example:
        >>> check_conditioner("class", rows=[{"Label": "0"}, {"Label": "3"}])
    """
    step = checked_step("conditioners", name, parameters)
    if isinstance(build_conditioner(step.name, step.parameters), ImageConditioner):
        check_image_conditioner(step)
        return
    empty = {column: "" for row in rows for column in row}
    case = _Case(step, _manifest([*rows, empty]))
    promises = Promises(f"conditioners.{name}")
    promises.add("its parameters can be written and read again", _parameters_round_trip, case)
    promises.add("it says of which size the part is", _has_size, case)
    promises.add("what it keeps of the training rows survives JSON, and encodes rows as before", _facts, case)
    promises.add("every row becomes a class index below the size, or finite numbers of that size", _encodes, case)
    promises.add("rows that differ become different numbers", _tells_apart, case)
    promises.add("a row that says nothing is unknown", _unknown, case)
    promises.add("a row means the same whatever other rows stand beside it", _alone, case)
    promises.check()


def _manifest(rows: Sequence[Mapping[str, str]]) -> Manifest:
    samples = tuple(_sample(number, cells) for number, cells in enumerate(rows, 1))
    columns = tuple(dict.fromkeys(column for cells in rows for column in cells if column != _LABEL))
    return Manifest(Path("data.csv"), samples, "each row", extra_columns=columns)


def _sample(number: int, cells: Mapping[str, str]) -> Sample:
    label = int(cells[_LABEL]) if cells.get(_LABEL) else None
    extra = {column: text for column, text in cells.items() if column != _LABEL}
    return Sample(number, f"subject_{number}", (Path(f"{number}.nii.gz"),), label, extra=extra)


def _parameters_round_trip(case: _Case) -> str:
    again = build_conditioner(case.step.name, case.conditioner.model_dump(mode="json", exclude_unset=True))
    return seen_unless(again == case.conditioner, again)


def _has_size(case: _Case) -> str:
    size = case.fit().size
    return seen_unless(isinstance(size, int) and size >= 1, size)


def _facts(case: _Case) -> str:
    part = case.fit()
    again = ConditionPart.model_validate(json.loads(part.model_dump_json()))
    if again != part:
        return seen_unless(False, again)
    kept = _equal(encode_rows(case.train.samples, [part]), encode_rows(case.train.samples, [again]))
    return seen_unless(kept, "other numbers")


def _encodes(case: _Case) -> str:
    part = case.fit()
    for sample in case.train.samples[:-1]:
        value = case.conditioner.encode(sample, part.facts)
        tensor = encode_rows([sample], [part])[part.name]
        fits = kind_of(tensor) == part.kind and bool(torch.isfinite(tensor).all())
        if part.kind == "class":
            fits = fits and isinstance(value, int) and 0 <= value < part.size
        elif part.kind == "vector":
            fits = fits and isinstance(value, Sequence | float | int) and tensor.shape == (1, part.width)
        if not fits:
            return seen_unless(False, f"{value!r} for {_cells(sample)}")
    return ""


def _tells_apart(case: _Case) -> str:
    part = case.fit()
    tensor = encode_rows(case.train.samples[:-1], [part])[part.name]
    kept = any(not torch.equal(row, tensor[0]) for row in tensor)
    return seen_unless(kept, f"{tensor[0].tolist()} for every row")


def _unknown(case: _Case) -> str:
    part = case.fit()
    tensor = encode_rows(case.train.samples[-1:], [part])[part.name]
    return seen_unless(torch.equal(tensor, unknown_like(tensor)), tensor.tolist())


def _alone(case: _Case) -> str:
    part = case.fit()
    together = encode_rows(case.train.samples, [part])
    alone = [encode_rows([replace(sample, row=1)], [part]) for sample in case.train.samples]
    wrong = [index for index, one in enumerate(alone) if not _equal(together.rows(slice(index, index + 1)), one)]
    return seen_unless(not wrong, f"other numbers for {_cells(case.train.samples[wrong[0]])}" if wrong else "")


def _equal(one: Condition, other: Condition) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def _cells(sample: Sample) -> dict[str, object]:
    return {**({} if sample.label is None else {_LABEL: sample.label}), **sample.extra}
