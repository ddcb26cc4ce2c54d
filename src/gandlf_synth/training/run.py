"""One training run from request to record: read, check everything, plan, prepare, fit, write down."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gandlf_synth.config import Config, Document, Phase
from gandlf_synth.data.formats.scan import scan_files, stored_bytes
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.store import default_cache
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.display.progress import progress_bar
from gandlf_synth.display.reporter import Reporter
from gandlf_synth.errors import counted
from gandlf_synth.files import write_json, write_text
from gandlf_synth.launcher import hardware, is_first_process, peak_memory_mb
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import RunRecord, data_digest, digest, software_versions
from gandlf_synth.training.defaults import detect_device, loader_workers
from gandlf_synth.training.loggers import check_loggers
from gandlf_synth.training.planning import Plan, make_plan
from gandlf_synth.training.preparation import TrainingData, patches_of, prepare_data
from gandlf_synth.training.request import TrainingRequest, read_configuration, read_splits
from gandlf_synth.training.resolved import resolved_yaml
from gandlf_synth.training.resuming import check_same_model
from gandlf_synth.training.strategy import check_compute, trains_several

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from gandlf_synth.metrics.extractors import Extractor


@dataclass(frozen=True)
class TrainingResult:
    """What came of it."""

    model_dir: Path
    checkpoint: Path
    record: RunRecord


@dataclass(frozen=True)
class PlannedRun:
    """What is known of a run before its data is prepared.

    Args:
        plan: the resolved configuration with its reasons.
        document: where the configuration was written.
        manifests: the rows of each phase.
        facts: of the images.
        cache: where prepared data goes.
    """

    plan: Plan
    document: Document
    manifests: Mapping[Phase, Manifest]
    facts: Fingerprint
    cache: Path


def plan_training(request: TrainingRequest, console: Console) -> PlannedRun:
    """Check the request, the configuration and every image, and make every choice; writes nothing but the cache.

    Raises:
        ConfigError, DataError, CheckpointError, MissingExtraError, ResourceError: see ``errors``.
    """
    if is_first_process():
        request.folder.check(request.mode, request.checkpoint)
    loaded = read_configuration(request)
    check_loggers(loaded.config.logging_config)
    manifests = read_splits(request, loaded.config)
    cache = Path(loaded.config.cache_dir) if loaded.config.cache_dir else default_cache()
    files = [path for manifest in manifests.values() for sample in manifest.samples for path in sample.files]
    facts = fingerprint(list(manifests.values()), scan_files(files, cache, progress_bar(console)))
    check_compute(loaded.config.compute, several_optimizers=trains_several(loaded.config.model))
    device = detect_device(loaded.config.compute)
    plan = make_plan(loaded.config, loaded.document, facts, manifests["train"], device)
    plan.notes.append(f"subjects: {manifests['train'].subject_rule}")
    return PlannedRun(plan, loaded.document, manifests, facts, cache)


def run_training(request: TrainingRequest, console: Console) -> TrainingResult:
    """Train a model; everything that can be wrong is found before anything in the model folder is touched.

    Raises:
        ConfigError, DataError, CheckpointError, ResourceError: see ``errors``.
    """
    first = is_first_process()
    console = console if first else Console(quiet=True)
    planned = plan_training(request, console)
    plan, manifests, facts, cache = planned.plan, planned.manifests, planned.facts, planned.cache
    extractor = _sample_extractor(plan.config, facts.spatial_dims)
    data = prepare_data(manifests, plan.config, facts, cache, progress_bar(console))
    if request.resume_from is not None:
        check_same_model(request.resume_from, plan.config.model, data.spec)
    with request.folder.locked() if first else nullcontext():
        return _fit(request, plan, data, planned.document, Reporter(console), extractor)


def _fit(
    request: TrainingRequest,
    plan: Plan,
    data: TrainingData,
    document: Document,
    reporter: Reporter,
    extractor: "Extractor | None",
) -> TrainingResult:
    from lightning.pytorch import seed_everything

    from gandlf_synth.models.checkpoint import build_module
    from gandlf_synth.training.first_stage import train_first_stage
    from gandlf_synth.training.fit import fit

    folder, config = request.folder, plan.config
    seed_everything(config.seed, workers=True, verbose=False)
    module = build_module(config.model.model_dump(mode="json"), data.spec)
    module.check_components()
    if config.compute.compile:
        module.networks_to_compile()  # raises before anything is written
    record = _record(request, plan, data.manifests)
    if is_first_process():
        if request.mode == "reset":
            folder.clear()
        _write_before(folder, plan, data.spec, record, document)
        reporter.open_log(folder.log_file)
        _announce(reporter, plan, data)
    seconds = request.seconds
    if config.model.prerequisite() is not None and request.resume_from is None:
        seconds = train_first_stage(module, request, config, reporter, run_training)
        seed_everything(config.seed, workers=True, verbose=False)
    result = fit(
        module, _loaders(plan, data), config, folder, reporter.console,
        resume_from=request.resume_from, seconds=seconds, callbacks=_sample_metrics(config, extractor, reporter),
    )  # fmt: skip
    outcome = {"seconds": round(result.seconds, 1), "epochs": result.epochs, "steps": result.steps}
    notes = [*record.notes, *result.findings]
    measured = {"metrics": result.metrics, "peak_memory_mb": peak_memory_mb(), "notes": notes}
    record = record.model_copy(update={**outcome, **measured})
    if is_first_process():
        write_json(folder.record, record.model_dump())
    for finding in result.findings:
        reporter.say(f"Warning: {finding}", "yellow")
    losses = ", ".join(f"{name} {value:.4f}" for name, value in sorted(record.metrics.items()))
    reporter.say(f"Trained {record.epochs} epochs, {record.steps} steps in {record.seconds:.0f} s: {losses}")
    return TrainingResult(folder.root, folder.choose_checkpoint(None), record)


def _sample_extractor(config: Config[Any], spatial_dims: int) -> "Extractor | None":
    from gandlf_synth.metrics.extractors import build_extractor

    wanted = config.sample_metrics_config
    if wanted is None:
        return None
    weights = Path(wanted.extractor_weights) if wanted.extractor_weights else None
    extractor = build_extractor(wanted.extractor, weights)
    extractor.check_images(spatial_dims)
    return extractor


def _sample_metrics(config: Config[Any], extractor: "Extractor | None", reporter: Reporter) -> "list[Callback]":
    from gandlf_synth.training.callbacks import SampleMetrics

    wanted = config.sample_metrics_config
    if wanted is None or extractor is None:
        return []
    return [SampleMetrics(wanted, extractor, config.seed, reporter.say)]


def _loaders(plan: Plan, data: TrainingData) -> Any:
    from gandlf_synth.data.loading.datamodule import Split, SynthesisDataModule

    config = plan.config
    return SynthesisDataModule(
        {phase: Split(manifest, data.samples[phase]) for phase, manifest in data.manifests.items()},
        data.value_range,
        data.spec.parts,
        config.data_augmentation.train or [],
        {phase: getattr(config.dataloader_config, phase) for phase in data.manifests},
        int(config.batch_size),
        loader_workers(),
        config.seed,
        patches_of(config),
    )


def _record(request: TrainingRequest, plan: Plan, manifests: Mapping[Phase, Manifest]) -> RunRecord:
    rows = [
        (phase, sample.subject, str(sample.label), *(f"{path.name}:{stored_bytes(path)}" for path in sample.files))
        for phase, manifest in manifests.items()
        for sample in manifest.samples
    ]
    return RunRecord(
        command=request.command,
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


def _announce(reporter: Reporter, plan: Plan, data: TrainingData) -> None:
    spec = data.spec
    counts = ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in data.manifests.items())
    size = "×".join(str(length) for length in spec.shape)
    classes = f", {spec.num_classes} classes" if spec.num_classes else ""
    channels = counted(spec.num_channels, "channel")
    reporter.say(f"Data: {counts}; {size} voxels, {channels}{classes}", "bold")
    for choice in plan.choices:
        reporter.say(f"  {choice.key}: {choice.value} ({choice.reason})")
    for note in plan.notes:
        reporter.say(f"  note: {note}", "dim")
