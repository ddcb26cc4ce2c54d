"""What a trained model can do with the rows of a CSV, and what is wrong with them, before anything is made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gandlf_synth import registry
from gandlf_synth.data.formats.scan import FileScan, Scans
from gandlf_synth.data.inspection.frames import other_frames
from gandlf_synth.data.loading.conditioners import Conditioner, ConditionPart, ImagePart, build_conditioner, images_read
from gandlf_synth.data.loading.conditioning.low_resolution import LowResolution
from gandlf_synth.data.loading.conditioning.row_checks import check_inputs, warnings_of
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.errors import ConfigError, DataError, Problem, counted, listing, option, raise_if_any


@dataclass(frozen=True)
class RowTask:
    """What is made of each row.

    Args:
        parts: what the images are made from.
        reads: the images of a row that are looked at.
        projects: whether images are inpainted by a model that was not trained for it.
        region_column: where it says what is made anew.
        remarks: what a person should know.
    """

    parts: tuple[ConditionPart, ...]
    reads: frozenset[ImagePart]
    projects: bool
    region_column: str = "Region"
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
    def refines(self) -> bool:
        """Whether an image is made of one of fewer voxels, so that it gets a grid of its own."""
        return "image" in self.reads and not self.inpaints

    def factors(self, spatial_dims: int) -> tuple[float, ...]:
        """Return how many times finer the model learned to make an image along each axis."""
        written = next((one.factor for one in map(_conditioner, self.parts) if isinstance(one, LowResolution)), 1.0)
        return tuple(written) if isinstance(written, list) else (written,) * spatial_dims

    def columns_used(self, columns: Iterable[str]) -> list[str]:
        """Return those of ``columns`` with images that are looked at."""
        used = {
            "Channel": self.takes_image, "Source": "sources" in self.reads,
            "Mask": True,  # preprocessing may look at it
            "Region": self.inpaints and self.region_column == "Region",
        }  # fmt: skip
        return [name for name in columns if used[name.partition("_")[0]]]

    def seen(self, sample: Sample) -> Sample:
        """Return a row with only the images that are looked at.

        A true image that is there for comparison must not reach the model, not even through the preprocessing.
        """
        return replace(
            sample,
            channels=sample.channels if self.takes_image else (),
            sources=sample.sources if "sources" in self.reads else (),
            region=sample.region if "Region" in self.columns_used(sample.named_files) else None,
        )

    def conditions(self, sample: Sample) -> dict[str, int | str]:
        """Return what the model takes from a row besides images, by column; of a class, label and name."""
        cells = [_conditioner(part).cell for part in self.parts]
        known: dict[str, int | str] = {}
        if sample.label is not None and any(part.kind == "class" for part in self.parts):
            known = {"label": sample.label, "class": sample.label_name or ""}
        return known | {name: sample.extra[name] for name in cells if sample.extra.get(name)}

    def made_from(self, sample: Sample) -> list[Path]:
        """Return the files of a row's images that what is made of it shows, the one whose grid it gets first."""
        seen = self.seen(sample)
        return [*(path for path in seen.sources if path is not None), *seen.channels]

    @property
    def shows_patient(self) -> bool:
        """Whether what is made shows the person of the images that it is made from."""
        return self.takes_image or "sources" in self.reads


def choose_task(manifest: Manifest, spec: DataSpec, model_name: str, scans: Scans) -> RowTask:
    """Return what the model makes of the rows of ``manifest``.

    Args:
        manifest: the rows.
        spec: the data that the model was trained on.
        model_name: the family.
        scans: what is known of the files of the rows.

    Raises:
        ConfigError: the CSV has nothing that the model takes, or columns that it cannot use.
        DataError: rows that cannot be used.
    """
    reads, given = images_read(spec.parts), _given(manifest)
    region = next((_conditioner(part) for part in spec.parts if part.name == "region"), None)
    projects = region is None and "Region" in given
    task = RowTask(spec.parts, reads, projects, region_column=region.cell if region else "Region")
    raise_if_any(list(_column_problems(manifest, spec, task, model_name)), ConfigError)
    raise_if_any(capped(list(_row_problems(manifest, spec, task, scans))), DataError)
    check_inputs(manifest, spec.parts, scans)
    apart = [f"{finding.where} {finding.what}" for finding in other_frames([manifest], scans)]
    return replace(task, remarks=(*_unused_columns(manifest, task), *warnings_of(manifest, spec.parts), *apart))


def _conditioner(part: ConditionPart) -> Conditioner:
    return build_conditioner(part.conditioner, part.parameters)


def _given(manifest: Manifest) -> set[str]:
    """Return the kinds of columns with images that any row has."""
    return {name.partition("_")[0] for sample in manifest.samples for name in sample.named_files}


def _unused_columns(manifest: Manifest, task: RowTask) -> Iterator[str]:
    """Yield which columns are not used, and which that the model knows are not there."""
    cells = {_conditioner(part).cell for part in task.parts}
    used = {"Source": "sources" in task.reads, "Mask": "mask" in task.reads, "Region": task.inpaints}
    unused: list[str] = [name for name, is_used in used.items() if name in _given(manifest) and not is_used]
    unused += [name for name in manifest.extra_columns if name not in cells]
    if unused:
        yield f"not used, because the model was not trained with it: {listing(unused)}"
    for part in task.parts:
        says = bool(manifest.labels) if part.kind == "class" else any(map(_conditioner(part).says, manifest.samples))
        if not says:
            yield f"no row says anything of {part.name}: images are made as if it were not known"


def _column_problems(manifest: Manifest, spec: DataSpec, task: RowTask, model_name: str) -> Iterator[Problem]:
    where = str(manifest.path)
    if task.projects:
        able = [name for name in registry.names("models") if "inpainting" in registry.load("models", name).tasks]
        if model_name not in able:
            what = f"names a Region to be made anew, which {model_name!r} cannot without a condition on regions"
            yield Problem(f"{where} column Region", what, listing(able), "or train with conditioning: [region]")
    elif not task.parts:
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


def _row_problems(manifest: Manifest, spec: DataSpec, task: RowTask, scans: Scans) -> Iterator[Problem]:
    for sample in manifest.samples:
        where = f"{manifest.path} row {sample.row}"
        if sample.label is not None and spec.labels and sample.label not in spec.labels:
            known = listing(f"{label} ({name})" for label, name in zip(spec.labels, spec.class_names, strict=True))
            yield Problem(f"{where}, column Label", f"is {sample.label}, a class that the model does not know", known)
        yield from _file_problems(sample, task, scans, where)
        if task.inpaints and not sample.channels:
            yield Problem(f"{where}, column Channel_0", "is empty", "the image to be inpainted")
        if task.projects:
            yield from _region_problems(sample, scans, where)


def _file_problems(sample: Sample, task: RowTask, scans: Scans, where: str) -> Iterator[Problem]:
    """Yield the files of a row that cannot be read, and those on another grid than the first."""
    first: tuple[str, FileScan] | None = None
    for column in task.columns_used(sample.named_files):
        scan, cell = scans[sample.named_files[column]], f"{where}, column {column} ({sample.named_files[column]})"
        if scan.problem:
            yield Problem(cell, *scan.problem)
            continue
        first = first or (column, scan)
        if not scan.geometry.matches(first[1].geometry):
            what = f"lies on another grid than {first[0]}: {_grid(scan)}, not {_grid(first[1])}"
            yield Problem(cell, what, fix="register and resample it first")


def _grid(scan: FileScan) -> str:
    spacing = " × ".join(f"{size:.4g}" for size in scan.geometry.spacing)
    corner = ", ".join(f"{value:.4g}" for value in scan.geometry.affine[:3, 3])
    return f"{' × '.join(map(str, scan.shape))} voxels of {spacing} mm from ({corner})"


def _region_problems(sample: Sample, scans: Scans, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the region of a row whose image a model fills that was not trained for it."""
    if sample.region is None:
        yield Problem(
            f"{where}, column Region", "is empty", "the file that is not 0 where the image is to be made anew"
        )
        return
    what = build_conditioner("region").check(sample, scans)
    if what:
        yield Problem(f"{where}, column Region ({sample.region})", what)


def check_copies(task: RowTask, refuse_copies: Path | None) -> None:
    """Refuse to look for copies where what is made shows the person of a row on purpose.

    Raises:
        ConfigError: it does.
    """
    if refuse_copies is not None and task.shows_patient:
        what = "looks for copies, but each image is made from that of a row, which it is to resemble"
        raise ConfigError(Problem(option("refuse_copies"), what, fix="leave it out"))


def check_needs_rows(parts: Sequence[ConditionPart]) -> None:
    """Refuse to make images from nothing with a model that has always been told what they are made from.

    Raises:
        ConfigError: a part of the condition is something without which the model never learned to do.
    """
    needed = [part for part in parts if not part.optional]
    if not needed:
        return
    names = listing(part.name for part in needed)
    if any(part.kind == "channels" for part in needed):
        what = f"was trained to make images from others ({names}), and was given none"
    else:
        what = f"was trained with a value of {names} for every image, and was given none"
    cells = [cell for part in needed if (cell := _conditioner(part).cell)]
    columns = f", with the column {listing(cells)}" if cells else ""
    fix = f"name a CSV of what they are made from with {option('csv')}{columns}"
    raise ConfigError(Problem("the model", what, fix=fix))
