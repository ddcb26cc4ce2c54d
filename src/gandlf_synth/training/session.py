"""One training run from request to record: read, check everything, plan, prepare, fit, write down."""

import logging
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from gandlf_synth.config import Config, Document, LoadedConfig, Phase, merged, read_document, validate
from gandlf_synth.data.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.manifest import Manifest, read_manifest
from gandlf_synth.data.pipeline import Pipeline, for_phase
from gandlf_synth.data.prepared import ModelRange, PreparedSample, default_cache, model_range, prepare
from gandlf_synth.data.scan import scan_files
from gandlf_synth.data.spec import DataSpec
from gandlf_synth.data.splits import check_disjoint, check_labels, split
from gandlf_synth.display.progress import progress_bar
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import write_json, write_text
from gandlf_synth.provenance import RunRecord, data_digest, digest, software_versions
from gandlf_synth.training.defaults import detect_device, loader_workers
from gandlf_synth.training.folder import Mode, ModelFolder
from gandlf_synth.training.hardware import hardware, peak_memory_mb
from gandlf_synth.training.planning import Plan, make_plan
from gandlf_synth.training.resolved import resolved_yaml
from gandlf_synth.training.resuming import check_same_model, earlier_choices

logger = logging.getLogger("gandlf_synth")


@dataclass(frozen=True)
class TrainingRequest:
    """What the user asked for.

    Args:
        config: the YAML.
        train_csv: the training CSV.
        model_dir: where the run goes.
        val_csv, test_csv: CSVs of their own for validation and test.
        val_ratio, test_ratio: fractions to split off the training CSV where there is no such CSV.
        mode: new run, resume, or reset.
        seconds: stop after this wall time; None: after ``num_epochs``.
    """

    config: Path | Document
    train_csv: Path
    model_dir: Path
    val_csv: Path | None = None
    test_csv: Path | None = None
    val_ratio: float = 0.0
    test_ratio: float = 0.0
    mode: Mode = "new"
    seconds: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What came of it."""

    model_dir: Path
    checkpoint: Path
    record: RunRecord


def run_training(request: TrainingRequest, console: Console) -> TrainingResult:
    """Train a model; everything that can be wrong is found before anything is written.

    Raises:
        ConfigError, DataError, CheckpointError, ResourceError: see ``errors``.
    """
    folder = ModelFolder(request.model_dir)
    folder.check(request.mode)
    loaded = _configuration(request, folder)
    _check_early_stopping(loaded, request)
    manifests = read_splits(request, loaded.config)
    cache = Path(loaded.config.cache_dir) if loaded.config.cache_dir else default_cache()
    files = [path for manifest in manifests.values() for sample in manifest.samples for path in sample.channels]
    data = fingerprint(list(manifests.values()), scan_files(files, cache, progress_bar(console)))
    device = detect_device(loaded.config.compute)
    plan = make_plan(loaded.config, loaded.document, data, manifests["train"], device)
    plan.notes.append(f"subjects: {manifests['train'].subject_rule}")
    prepared = _prepare(manifests, plan, data, cache, console)
    value_range = model_range(prepared["train"])
    spec = _data_spec(plan.config, data, manifests["train"], prepared["train"], value_range)
    if request.mode == "resume":
        check_same_model(folder.last, plan.config.model, spec)
    return _fit(request, folder, plan, manifests, prepared, value_range, spec, console, loaded.document)


def _configuration(request: TrainingRequest, folder: ModelFolder) -> LoadedConfig:
    document = request.config if isinstance(request.config, Document) else read_document(request.config)
    if request.mode == "resume":
        content = merged(earlier_choices(folder), {k: v for k, v in document.content.items() if v != "auto"})
        document = Document(document.name, content, document.lines)
    return validate(document)


def _check_early_stopping(loaded: LoadedConfig, request: TrainingRequest) -> None:
    stopping = loaded.config.early_stopping_config
    if stopping is None:
        return
    logged = ["train_loss"]
    if request.val_csv or request.val_ratio > 0:
        logged.append("val_loss")
    if stopping.monitor_value not in logged:
        where = loaded.document.where(("early_stopping_config", "monitor_value"))
        fix = "" if len(logged) > 1 else "for val_loss, give validation data with -v-csv or -vr"
        raise ConfigError(Problem(where, f"{stopping.monitor_value!r} will not be logged", ", ".join(logged), fix))


def read_splits(request: TrainingRequest, config: Config[Any]) -> dict[Phase, Manifest]:
    """Return the manifests of train, val and test, from CSVs of their own or split off by subject."""
    manifest = read_manifest(request.train_csv)
    test_ratio = 0.0 if request.test_csv else request.test_ratio
    val_ratio = 0.0 if request.val_csv else request.val_ratio
    found: dict[Phase, Manifest] = dict(split(manifest, test_ratio, val_ratio, config.seed))
    for phase, path in (("val", request.val_csv), ("test", request.test_csv)):
        if path:
            found[phase] = read_manifest(path)  # type: ignore[index]
            if config.model.labeling_paradigm != "unlabeled":
                check_labels(found["train"], found[phase])  # type: ignore[index]
    check_disjoint(found)
    return found


def _prepare(
    manifests: Mapping[Phase, Manifest], plan: Plan, data: Fingerprint, cache: Path, console: Console
) -> dict[Phase, list[PreparedSample]]:
    shape = tuple(plan.config.model.tensor_shape)
    prepared = {}
    for phase, manifest in manifests.items():
        steps = for_phase(plan.config.data_preprocessing.of(phase) or [], phase)
        pipeline = Pipeline(steps, data.column_channels, shape)
        prepared[phase] = prepare(manifest, pipeline, cache, progress_bar(console))
    return prepared


def _data_spec(
    config: Config[Any], data: Fingerprint, train: Manifest, samples: list[PreparedSample], value_range: ModelRange
) -> DataSpec:
    import numpy as np

    labelled = config.model.labeling_paradigm != "unlabeled"
    labels = train.labels if labelled else {}
    grids = [sample.grid for sample in samples]
    affine = np.median([grid.affine for grid in grids], axis=0)
    same = len({grid.orientation for grid in grids}) == 1
    return DataSpec(
        spatial_dims=data.spatial_dims,
        num_channels=data.num_channels,
        shape=tuple(config.model.tensor_shape),
        affine=tuple(tuple(row) for row in (affine if same else grids[0].affine).tolist()),
        physical=data.physical,
        modality=config.modality,
        paradigm=config.model.labeling_paradigm,
        labels=tuple(labels),
        class_names=tuple(labels.values()),
        low=value_range.file_values(samples, -1.0),
        high=value_range.file_values(samples, 1.0),
        dtype=data.dtype,
        column_channels=data.column_channels,
        column_names=data.column_names,
    )


def _fit(
    request: TrainingRequest,
    folder: ModelFolder,
    plan: Plan,
    manifests: Mapping[Phase, Manifest],
    prepared: Mapping[Phase, list[PreparedSample]],
    value_range: ModelRange,
    spec: DataSpec,
    console: Console,
    document: Document,
) -> TrainingResult:
    from lightning.pytorch import seed_everything

    from gandlf_synth.data.datamodule import Split, SynthesisDataModule
    from gandlf_synth.models.checkpoint import build_module
    from gandlf_synth.training.runner import fit

    config = plan.config
    seed_everything(config.seed, workers=True, verbose=False)
    module = build_module(config.model.model_dump(mode="json"), spec)
    module.check_components()
    data = SynthesisDataModule(
        {phase: Split(manifest, prepared[phase]) for phase, manifest in manifests.items()},
        value_range,
        spec.labels,
        config.data_augmentation.train or [],
        {phase: getattr(config.dataloader_config, phase) for phase in manifests},
        int(config.batch_size),
        loader_workers(in_memory=False),
        config.seed,
    )
    if request.mode == "reset":
        folder.clear()
    record = _record(plan, manifests)
    _write_before(folder, plan, spec, record, document)
    _announce(console, plan, manifests, spec)
    result = fit(module, data, config, folder, console, resume=request.mode == "resume", seconds=request.seconds)
    record = record.model_copy(
        update={
            "seconds": round(result.seconds, 1),
            "epochs": result.epochs,
            "steps": result.steps,
            "metrics": result.metrics,
            "peak_memory_mb": peak_memory_mb(),
        }
    )
    write_json(folder.record, record.model_dump())
    return TrainingResult(folder.root, folder.choose_checkpoint(None), record)


def _record(plan: Plan, manifests: Mapping[Phase, Manifest]) -> RunRecord:
    rows = [
        (phase, sample.subject, str(sample.label), *(f"{path.name}:{path.stat().st_size}" for path in sample.channels))
        for phase, manifest in manifests.items()
        for sample in manifest.samples
    ]
    return RunRecord(
        command=shlex.join(["gandlf-synth", *sys.argv[1:]]),
        model_name=plan.config.model.model_name,
        config_digest=digest(plan.config.model_dump(mode="json", by_alias=True)),
        data_digest=data_digest(rows),
        seed=plan.config.seed,
        versions=software_versions(),
        hardware=hardware(),
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        notes=[*(f"{choice.key} = {choice.value}: {choice.reason}" for choice in plan.choices), *plan.notes],
    )


def _write_before(folder: ModelFolder, plan: Plan, spec: DataSpec, record: RunRecord, document: Document) -> None:
    source = Path(document.name)
    if source.is_file():
        write_text(folder.config, source.read_text(encoding="utf-8"))
    write_text(folder.resolved_config, resolved_yaml(plan))
    write_json(folder.spec, spec.model_dump())
    write_json(folder.record, record.model_dump())


def _announce(console: Console, plan: Plan, manifests: Mapping[Phase, Manifest], spec: DataSpec) -> None:
    counts = ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in manifests.items())
    size = "×".join(str(length) for length in spec.shape)
    classes = f", {spec.num_classes} classes" if spec.num_classes else ""
    console.print(f"Data: {counts}; {size} voxels, {spec.num_channels} channel(s){classes}", highlight=False)
    for choice in plan.choices:
        console.print(f"  {choice.key} = {choice.value}  [dim]({choice.reason})[/dim]", highlight=False)
    for note in plan.notes:
        console.print(f"  note: {note}", highlight=False)
