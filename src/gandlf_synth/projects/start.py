"""Looks at a folder or a CSV of images and writes the project for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from gandlf_synth import api
from gandlf_synth.config import ComputeConfig, parse_document, validate
from gandlf_synth.config.phases import PHASES
from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.formats.readers.tar_shard import SUFFIX as TAR
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.table.construct import ConstructReport
from gandlf_synth.data.table.construct_series import construct_by_series
from gandlf_synth.data.table.dicom_folders import holds_volumes, is_dicom_suffix
from gandlf_synth.data.table.known_layouts import known_layout
from gandlf_synth.data.table.layouts import Layout, detect_layout
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.data.table.shard_samples import has_classes
from gandlf_synth.display.console import progress_bar
from gandlf_synth.errors import ConfigError, GandlfSynthError, Problem, option
from gandlf_synth.files import only_writer, write_text
from gandlf_synth.projects.commands import next_commands
from gandlf_synth.projects.held_out import hold_out
from gandlf_synth.projects.recipe import Recipe, choose_recipe
from gandlf_synth.projects.task import find_task
from gandlf_synth.training.defaults import Device, detect_device
from gandlf_synth.training.plan import Plan, make_plan
from gandlf_synth.training.survey import survey_images

_PURPOSE = {
    "train": "to train on",
    "val": "to validate with",
    "test": "of other subjects, kept out of training for evaluate",
}
"""What the rows of each split are for."""


@dataclass(frozen=True)
class Project:
    """What was written, and the commands that follow.

    Args:
        config: the YAML.
        csvs: the CSV of each split.
        commands: what to type next.
        notes: what a person should know of the data.
    """

    config: Path
    csvs: dict[str, Path]
    commands: tuple[str, ...]
    notes: tuple[str, ...]


def start_project(
    source: Path,
    project: Path,
    console: Console,
    *,
    model_name: str | None = None,
    memory_bytes: int | None = None,
    held_out: float | None = None,
) -> Project:
    """Write ``data.csv`` and ``config.yaml`` for the images in ``source``.

    Args:
        source: a folder of images in any of the usual layouts, or a CSV.
        project: the folder to write into.
        console: where progress and findings are shown.
        model_name: the family; None: chosen for the data.
        memory_bytes: what training may take; None: what the device has.
        held_out: share of the subjects that go into ``test.csv``; None: a fifth of 50 or more in a folder.

    Raises:
        ConfigError: the project exists already.
        DataError: the images cannot make one data set; every reason.
    """
    with only_writer(project, "project"):
        _check_new(project)
        try:
            return _write_project(source, project, console, model_name, memory_bytes, held_out)
        except GandlfSynthError:
            for file in _written(project):
                file.unlink(missing_ok=True)
            raise


def _written(project: Path) -> list[Path]:
    return [_config_of(project), *(_csv_of(split, project) for split in PHASES)]


def _check_new(project: Path) -> None:
    if any(file.exists() for file in _written(project)):
        fix = f"name another folder with {option('project')}"
        raise ConfigError(Problem(f"project {project}", "exists already", fix=fix))


def _write_project(
    source: Path,
    project: Path,
    console: Console,
    model_name: str | None,
    memory_bytes: int | None,
    held_out: float | None,
) -> Project:
    config = _config_of(project)
    csvs = {"train": source} if source.is_file() else _write_csvs(source, project, console)
    if held_out and "test" in csvs:
        what = f"{csvs['test']} has test images already, from a folder of {source}"
        raise ConfigError(Problem(f"{option('held_out')} {held_out:g}", what, fix=f"leave out {option('held_out')}"))
    kept = {}
    if held_out or (held_out is None and set(csvs) == {"train"} and source.is_dir()):
        kept = _hold_out(csvs["train"], project, held_out)
    csvs |= kept
    manifests = {phase: read_manifest(csvs[phase]) for phase in PHASES if phase in csvs}
    for phase, manifest in manifests.items():
        way_out = f" ({option('held_out')} 0 keeps none)" if phase in kept and phase == "test" else ""
        text = f"{len(manifest.samples)} rows {_PURPOSE[phase]}{way_out}"
        console.print(f"  {csvs[phase]}: {text}", highlight=False)
    facts = survey_images(manifests, default_cache(), progress_bar(console)).known_facts
    device = detect_device(ComputeConfig())
    device = replace(device, memory_bytes=memory_bytes) if memory_bytes else device
    recipe = _recipe(facts, manifests["train"], device, model_name)
    write_text(config, recipe.text)
    validate(parse_document(recipe.text, str(config)))
    commands = next_commands(project, csvs, manifests["train"], from_rows="\n  conditioning:" in recipe.text)
    return Project(config, csvs, commands, (*facts.notes, *recipe.notes))


def _hold_out(csv: Path, project: Path, share: float | None) -> dict[str, Path]:
    """Keep subjects out of training, where there are enough or somebody asked for it; return the CSVs written."""
    parts = {"train": _csv_of("train", project), "test": _csv_of("test", project)}
    return parts if hold_out(csv, parts["train"], parts["test"], share) else {}


def _write_csvs(source: Path, project: Path, console: Console) -> dict[str, Path]:
    if source.is_dir() and known_layout(source) is not None:
        return {"train": _write_known(source, project, console)}
    layout = detect_layout(source)
    if any(_may_be_slices(ending) for ending in layout.endings) and holds_volumes(layout.roots["train"]):
        return _write_series(layout, project, console)
    if layout.endings == (TAR,):
        return _write_shards(layout, project, console)
    for reason in layout.reasons:
        console.print(f"  {reason}", highlight=False)
    for kind, count in sorted(layout.left_out.items(), key=lambda pair: -pair[1])[:5]:
        console.print(f"  left out: {count} of {kind}", highlight=False)
    csvs = {}
    for split, root in layout.roots.items():
        path = _csv_of(split, project)
        report = api.construct_csv(root, layout.endings, layout.paradigm, path)
        text = f"{report.rows} images of {report.subjects} subjects{_classes(report)}"
        console.print(f"  {root}: {text}", highlight=False)
        csvs[split] = path
    return csvs


def _may_be_slices(ending: str) -> bool:
    """Say whether files that end so may be DICOM slices: whole names such as IM0001.dcm may recur in every patient."""
    return is_dicom_suffix(ending.rpartition(".")[2])


def _write_shards(layout: Layout, project: Path, console: Console) -> dict[str, Path]:
    """Write the CSV of each split of tar shards, with classes where the first shard has some."""
    csvs = {}
    for split, root in layout.roots.items():
        path = _csv_of(split, project)
        is_labeled = has_classes(sorted(root.rglob(f"*{TAR}"))[0])
        report = api.construct_csv(root, layout.endings, "custom" if is_labeled else "unlabeled", path)
        for note in report.warnings:
            console.print(f"  {note}", highlight=False)
        console.print(
            f"  {root}: {report.rows} images of {report.subjects} subjects{_classes(report)}", highlight=False
        )
        csvs[split] = path
    return csvs


def _write_known(source: Path, project: Path, console: Console) -> Path:
    """Write the CSV of a folder in a layout that challenges fix."""
    path = _csv_of("train", project)
    report = api.construct_csv(source, None, "unlabeled", path)
    for note in report.warnings:
        console.print(f"  {note}", highlight=False)
    console.print(f"  {source}: {report.rows} images of {report.subjects} subjects", highlight=False)
    return path


def _write_series(layout: Layout, project: Path, console: Console) -> dict[str, Path]:
    csvs = {}
    for split, root in layout.roots.items():
        path = _csv_of(split, project)
        series = construct_by_series(root, path, default_cache(), progress_bar(console))
        for reason in series.left_out:
            console.print(f"  left out: {reason}", highlight=False, markup=False)
        text = f"{series.report.rows} {series.kind}, of {series.report.subjects} studies{_classes(series.report)}"
        console.print(f"  {root}: {text}", highlight=False)
        for note in series.report.warnings:
            console.print(f"  note: {note}", highlight=False)
        csvs[split] = path
    return csvs


def _classes(report: ConstructReport) -> str:
    counts = ", ".join(f"{name} ({count})" for name, count in report.classes.items())
    return f", classes {counts}" if counts else ""


def _config_of(project: Path) -> Path:
    return project / "config.yaml"


def _csv_of(split: str, project: Path) -> Path:
    return project / ("data.csv" if split == "train" else f"{split}.csv")


def _recipe(facts: Fingerprint, train: Manifest, device: Device, model_name: str | None) -> Recipe:
    def plan(lines: Sequence[str]) -> Plan:
        return make_plan(validate(parse_document("\n".join(lines), "init")), facts, train, device)

    subjects = len({sample.subject for sample in train.samples})
    images = sum(bool(sample.channels) for sample in train.samples)
    return choose_recipe(facts, images, subjects, device, model_name, plan, find_task(facts, train))
