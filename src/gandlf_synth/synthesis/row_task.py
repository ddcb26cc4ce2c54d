"""What a trained model can do with the rows of a CSV, and what is wrong with them, before anything is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandlf_synth import registry
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.loading.conditioners import ConditionPart, ImagePart, build_conditioner, images_read
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.errors import ConfigError, DataError, Problem, counted, listing, option, raise_if_any


@dataclass(frozen=True)
class RowTask:
    """What is made of each row.

    Args:
        parts: what the images are made from, of what the model knows and the CSV has.
        reads: the images of a row that are looked at.
        projects: whether images are inpainted by a model that was not trained for it.
        remarks: what a person should know.
    """

    parts: tuple[ConditionPart, ...]
    reads: frozenset[ImagePart]
    projects: bool
    remarks: tuple[str, ...] = ()

    @property
    def inpaints(self) -> bool:
        """Whether a part of an image is made anew, and the rest is kept to the last bit."""
        return self.projects or "region" in self.reads

    @property
    def takes_image(self) -> bool:
        """Whether the image in the channel columns is looked at; otherwise it is shown for comparison only."""
        return self.inpaints or "image" in self.reads

    @property
    def shows_patient(self) -> bool:
        """Whether what is made shows the person of the images that it is made from."""
        return self.takes_image or "sources" in self.reads


def choose_task(manifest: Manifest, spec: DataSpec, model_name: str) -> RowTask:
    """Return what the model makes of the rows of ``manifest``.

    Raises:
        ConfigError: the CSV has nothing that the model takes, or columns that it cannot use.
        DataError: rows that cannot be used.
    """
    reads = images_read(spec.parts)
    given = _given(manifest)
    projects = "Region" in given and "region" not in reads
    parts, remarks, missing = [], [], list[Problem]()
    for part in spec.parts:
        column = _column_of(part, manifest)
        if column is None:
            parts.append(part)
        elif part.drop_fraction or part.kind == "class":
            remarks.append(f"{manifest.path.name} has no column {column}: images are made as if it were not known")
        else:
            what = f"has no column {column}, and the model was trained to know it"
            missing.append(Problem(str(manifest.path), what, fix=f"add {column}"))
    task = RowTask(tuple(parts), reads, projects)
    raise_if_any([*_column_problems(manifest, spec, task, model_name), *missing], ConfigError)
    unused = [name for name, needs in _USES.items() if name in given and not needs & _used(task)]
    remarks += [f"column {name} is not used: the model was not trained with it" for name in unused]
    found = list(_row_problems(manifest, spec, task))
    raise_if_any(capped(found), DataError)
    return RowTask(task.parts, reads, projects, tuple(remarks))


_USES = {"Source": {"sources"}, "Mask": {"mask"}, "Region": {"region"}}
"""Columns, and what looks at them."""


def _used(task: RowTask) -> set[str]:
    return {*task.reads, *(("region",) if task.projects else ())}


def _given(manifest: Manifest) -> set[str]:
    """Return the kinds of columns with images that any row has."""
    return {name.partition("_")[0] for sample in manifest.samples for name in sample.named_files}


def _column_of(part: ConditionPart, manifest: Manifest) -> str | None:
    """Return the column that a part is read from and that the CSV does not have; None where it has it."""
    if part.kind == "class":
        return None if manifest.labels else "Label"
    column = getattr(build_conditioner(part.conditioner, part.parameters), "column", None)
    return None if column is None or part.painted or column in manifest.extra_columns else str(column)


def _column_problems(manifest: Manifest, spec: DataSpec, task: RowTask, model_name: str) -> Iterator[Problem]:
    where = str(manifest.path)
    if task.projects:
        able = [name for name in registry.names("models") if "inpainting" in registry.load("models", name).tasks]
        if model_name not in able:
            what = f"names a Region to be made anew, which {model_name!r} cannot without a condition on regions"
            yield Problem(f"{where} column Region", what, listing(able), "or train with conditioning: [region]")
    elif not task.parts and not task.reads:
        columns = listing([*sorted(_given(manifest)), *manifest.extra_columns])
        what = f"has nothing that the model takes ({columns}): it was trained without conditions"
        fix = "give Channel_0 and Region to inpaint; leave the CSV out for new images"
        yield Problem(where, what, fix=fix)
    if "sources" in task.reads and manifest.num_sources > len(spec.source_channels):
        what = f"the model was trained on {counted(len(spec.source_channels), 'source column')}"
        yield Problem(f"{where} column Source_{len(spec.source_channels)}", what, fix="leave the column out")
    if task.takes_image and manifest.num_columns not in (0, len(spec.column_channels)):
        what = f"has {counted(manifest.num_columns, 'channel column')}"
        yield Problem(where, what, f"{len(spec.column_channels)}, as in training")


def _row_problems(manifest: Manifest, spec: DataSpec, task: RowTask) -> Iterator[Problem]:
    conditioners = [(build_conditioner(part.conditioner, part.parameters), part) for part in task.parts]
    for sample in manifest.samples:
        where = f"{manifest.path} row {sample.row}"
        if sample.label is not None and spec.labels and sample.label not in spec.labels:
            known = listing(f"{label} ({name})" for label, name in zip(spec.labels, spec.class_names, strict=True))
            yield Problem(f"{where}, column Label", f"is {sample.label}, a class that the model does not know", known)
        for conditioner, part in conditioners:
            check = getattr(conditioner, "check", None)
            problem = check(sample, part.facts) if check else ""
            if problem:
                yield Problem(f"{where}, {part.name}", problem)
        if task.inpaints:
            yield from _region_problems(sample, where)


def _region_problems(sample: Sample, where: str) -> Iterator[Problem]:
    """Yield what is wrong with a row that is to be inpainted."""
    if not sample.channels:
        yield Problem(f"{where}, column Channel_0", "is empty", "the image to be inpainted")
    if sample.region is None:
        yield Problem(f"{where}, column Region", "is empty", "the file that is 1 where the image is to be made anew")
        return
    cell = f"{where}, column Region ({sample.region})"
    try:
        region = read_image(sample.region)
    except UnreadableError as error:
        yield Problem(cell, str(error))
        return
    marked = region.array[0] != 0
    if region.num_channels != 1:
        yield Problem(cell, f"has {region.num_channels} channels", "1")
    elif not marked.any():
        yield Problem(cell, "is 0 everywhere: there is nothing to make anew", "1 where the image is to be made anew")
    elif marked.all():
        what = "is set everywhere: nothing of the image would be kept"
        yield Problem(cell, what, fix="leave the CSV out to make whole images")
    elif not np.isfinite(region.array).all():
        yield Problem(cell, "holds values that are not finite", "0 and 1")


def check_copies(task: RowTask, refuse_copies: Path | None) -> None:
    """Refuse to look for copies where what is made shows the person of a row on purpose.

    Raises:
        ConfigError: it does.
    """
    if refuse_copies is not None and task.shows_patient:
        what = "looks for copies, but each image is made from that of a row, which it is to resemble"
        raise ConfigError(Problem(option("refuse_copies"), what, fix="leave it out"))


def check_needs_rows(parts: Sequence[ConditionPart]) -> None:
    """Refuse to make images from nothing with a model that has always been given images.

    Raises:
        ConfigError: a part of the condition is images that training never hid.
    """
    needed = [part.name for part in parts if part.kind == "channels" and not part.drop_fraction]
    if needed:
        what = f"was trained to make images from others ({listing(needed)}), and was given none"
        fix = f"name a CSV of what they are made from with {option('csv')}"
        raise ConfigError(Problem("the model", what, fix=fix))
