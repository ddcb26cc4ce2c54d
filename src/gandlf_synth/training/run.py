"""One training run, from request to record: plan, prepare, fit, record."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from gandlf_synth.config import Config
from gandlf_synth.display.console import Reporter, progress_bar
from gandlf_synth.errors import counted
from gandlf_synth.files import write_json
from gandlf_synth.launcher import is_first_process, peak_memory_mb
from gandlf_synth.provenance import RunRecord
from gandlf_synth.training.loggers import check_loggers
from gandlf_synth.training.plan import Plan, PlannedRun, plan_survey
from gandlf_synth.training.record import begin_record, write_beginning
from gandlf_synth.training.request import TrainingRequest, check_same_model, read_configuration
from gandlf_synth.training.strategy import check_compute, trains_several
from gandlf_synth.training.survey import survey_run

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from gandlf_synth.metrics.extractors import Extractor
    from gandlf_synth.training.data import TrainingData
    from gandlf_synth.training.fit import FitResult


@dataclass(frozen=True)
class TrainingResult:
    """What a training made.

    Args:
        model_dir: the model folder.
        checkpoint: the checkpoint that inference uses.
        record: what the run was made of, and how it ended.
    """

    model_dir: Path
    checkpoint: Path
    record: RunRecord


def plan_training(request: TrainingRequest, console: Console) -> PlannedRun:
    """Check the request, the machine, the configuration and every image, and make every choice.

    Nothing is written but the cache.

    Raises:
        ConfigError, DataError, CheckpointError, MissingExtraError, ResourceError: see ``errors``.
    """
    if is_first_process():
        request.folder.check(request.mode, request.checkpoint)
    loaded = read_configuration(request)
    check_machine(loaded.config)
    return plan_survey(survey_run(request, loaded, console))


def check_machine(config: Config) -> None:
    """Refuse devices and trackers that are not there.

    Raises:
        ConfigError, MissingExtraError, ResourceError: see ``errors``.
    """
    check_loggers(config.logging_config)
    check_compute(config.compute, several_optimizers=trains_several(config.model))


def run_training(request: TrainingRequest, console: Console) -> TrainingResult:
    """Train a model; everything that can be wrong is found before anything in the model folder is touched.

    Raises:
        ConfigError, DataError, CheckpointError, ResourceError: see ``errors``.
    """
    first = is_first_process()
    console = console if first else Console(quiet=True)
    planned = plan_training(request, console)
    config = planned.plan.config

    from gandlf_synth.training.data import prepare_data

    extractor = _sample_extractor(config, planned.facts.spatial_dims)
    data = prepare_data(planned.splits, planned.scans, config, planned.facts, planned.cache, progress_bar(console))
    if request.resume_from is not None:
        check_same_model(request.resume_from, config.model, data.spec)
    with request.folder.locked() if first else nullcontext():
        return _train(request, planned, data, Reporter(console), extractor)


def _train(
    request: TrainingRequest,
    planned: PlannedRun,
    data: "TrainingData",
    reporter: Reporter,
    extractor: "Extractor | None",
) -> TrainingResult:
    from lightning.pytorch import seed_everything

    from gandlf_synth.models.build import build_module
    from gandlf_synth.training.data import loader_workers
    from gandlf_synth.training.first_stage import train_first_stage
    from gandlf_synth.training.fit import fit

    folder, plan, config = request.folder, planned.plan, planned.plan.config
    seed_everything(config.seed, workers=True, verbose=False)
    module = build_module(config.model, data.spec)
    module.check_components()
    if config.compute.compile:
        module.networks_to_compile()  # raises before anything is written
    record = begin_record(request.command, plan, data.manifests)
    if is_first_process():
        if request.mode == "reset":
            folder.clear()
        write_beginning(folder, plan, data.spec, record, planned.document)
        reporter.open_log(folder.log_file)
        _announce(reporter, plan, data)
    seconds = request.seconds
    stage = config.model.prerequisite()
    if stage is not None and request.resume_from is None:
        seconds = train_first_stage(module, stage, request, config, reporter, run_training)
        seed_everything(config.seed, workers=True, verbose=False)
    result = fit(
        module, data.loaders(config, loader_workers()), config, folder, reporter.console,
        resume_from=request.resume_from, seconds=seconds, callbacks=_sample_metrics(config, extractor, reporter),
    )  # fmt: skip
    record = _finish(record, result)
    if is_first_process():
        write_json(folder.record, record.model_dump())
    _report(reporter, record, result)
    return TrainingResult(folder.root, folder.choose_checkpoint(None), record)


def _finish(record: RunRecord, result: "FitResult") -> RunRecord:
    return record.model_copy(
        update={
            "seconds": round(result.seconds, 1),
            "epochs": result.epochs,
            "steps": result.steps,
            "metrics": result.metrics,
            "peak_memory_mb": peak_memory_mb(),
            "notes": [*record.notes, *result.findings],
        }
    )


def _report(reporter: Reporter, record: RunRecord, result: "FitResult") -> None:
    for finding in result.findings:
        reporter.say(f"Warning: {finding}", "yellow")
    losses = ", ".join(f"{name} {value:.4f}" for name, value in sorted(record.metrics.items()))
    reporter.say(f"Trained {record.epochs} epochs, {record.steps} steps in {record.seconds:.0f} s: {losses}")


def _sample_extractor(config: Config, spatial_dims: int) -> "Extractor | None":
    from gandlf_synth.metrics.extractors import build_extractor

    options = config.sample_metrics_config
    if options is None:
        return None
    weights = Path(options.extractor_weights) if options.extractor_weights else None
    extractor = build_extractor(options.extractor, weights)
    extractor.check_images(spatial_dims)
    return extractor


def _sample_metrics(config: Config, extractor: "Extractor | None", reporter: Reporter) -> "list[Callback]":
    from gandlf_synth.training.callbacks import SampleMetrics

    options = config.sample_metrics_config
    if options is None or extractor is None:
        return []
    return [SampleMetrics(options, extractor, config.seed, reporter.say)]


def _announce(reporter: Reporter, plan: Plan, data: "TrainingData") -> None:
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
