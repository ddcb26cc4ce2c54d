"""One training run, from request to record: plan, prepare, fit, record."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from rich.console import Console

from gandlf_synth.config import Config, Document, LoadedConfig, Phase, Prerequisite, resolved, validate
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.display.console import Reporter, progress_bar
from gandlf_synth.errors import counted, option
from gandlf_synth.files import write_json
from gandlf_synth.launcher import is_first_process
from gandlf_synth.provenance import RunRecord, digest
from gandlf_synth.ranks import Ranks, meet, noticing_who_left
from gandlf_synth.training.data_record import record_images
from gandlf_synth.training.expectation import Expectation, expect, too_few_steps, unused_time
from gandlf_synth.training.inheritance import Inheritance, inherit
from gandlf_synth.training.loggers import check_loggers
from gandlf_synth.training.plan import Plan, PlannedRun
from gandlf_synth.training.privacy.limits import check_budget, check_processes
from gandlf_synth.training.record import begin_record, continue_record, end_record, write_beginning
from gandlf_synth.training.request import TrainingRequest, after_restart, read_configuration, read_written
from gandlf_synth.training.resume import (
    EarlierRun,
    changes,
    check_same_model,
    check_same_run,
    go_on_with_data,
    keep_whole_batch,
    trained_seconds,
)
from gandlf_synth.training.run_plan import plan_inheritance
from gandlf_synth.training.strategy import check_compute, check_splits, total_processes, trains_several
from gandlf_synth.training.survey import survey_run

_FOR_TRAINING = 0.9
"""The share of the time of a run that is left for training steps: trials, validation and grids take the rest."""

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from gandlf_synth.metrics.extractors import Extractor
    from gandlf_synth.models.checkpoint import CheckpointContent
    from gandlf_synth.training.data import TrainingData
    from gandlf_synth.training.fit import FitResult
    from gandlf_synth.training.trained_start import TrainedStart


@dataclass(frozen=True)
class TrainingResult:
    """What a training made.

    Args:
        model_dir: the model folder.
        checkpoint: the checkpoint that inference uses.
        record: what the run was made of, and how it ended.
        needs_rows: whether every image is made from a row of a CSV.
    """

    model_dir: Path
    checkpoint: Path
    record: RunRecord
    needs_rows: bool = False


def plan_training(request: TrainingRequest, console: Console) -> PlannedRun:
    """Check the request, the machine, the configuration and every image, and make every choice.

    Nothing is written but the cache.

    Raises:
        ConfigError, DataError, CheckpointError, MissingExtraError, ResourceError: see ``errors``.
    """
    earlier = EarlierRun.of(request)
    return _plan(request, earlier, console)


def _plan(request: TrainingRequest, earlier: EarlierRun | None, console: Console) -> PlannedRun:
    started, ranks = time.monotonic(), meet()
    with ranks.together():
        if is_first_process():
            request.folder.check(request.mode, request.checkpoint)
        written = read_written(request.config) if ranks.is_first else request.config
    request = replace(request, config=ranks.broadcast(written))
    with ranks.together():
        loaded = read_configuration(request)
        check_machine(loaded)
        inheritance = inherit(loaded) if request.resume_from is None else Inheritance(loaded)
        if earlier is not None:
            inheritance = Inheritance(loaded, inheritance.parents)
        survey = survey_run(request, inheritance.loaded, console)
        if earlier is not None:
            survey = go_on_with_data(request, survey, earlier)
        seconds = None if request.seconds is None else request.seconds - (time.monotonic() - started)
        trained = seconds and max(1.0, seconds * _FOR_TRAINING)
        planned = plan_inheritance(survey, inheritance, seconds=trained, measured=True)
        if earlier is not None:
            check_same_run(earlier, planned.plan.config, planned.document)
    return _as_the_first(planned, ranks)


def _as_the_first(planned: PlannedRun, ranks: Ranks) -> PlannedRun:
    """Return the run with the first process's choices, which other memory may have made different."""
    content = ranks.broadcast(planned.plan.config.model_dump(mode="json", by_alias=True, exclude_none=True))
    ranks.check_same("list of images", digest([_rows_of(*split) for split in planned.splits.items()]))
    if ranks.is_first:
        return planned
    config = validate(Document(planned.document.name, content)).config
    return replace(planned, plan=replace(planned.plan, config=config))


def _rows_of(phase: Phase, table: Manifest) -> object:
    """Return what tells the rows of a split from others."""
    if isinstance(table, StoredManifest):
        return phase, table.content
    return [(phase, each.subject, each.label) for each in table.samples]


def check_machine(loaded: LoadedConfig) -> None:
    """Refuse devices and trackers that are not there, and what a privacy budget does not allow.

    Raises:
        ConfigError, MissingExtraError, ResourceError: see ``errors``.
    """
    config = loaded.config
    check_budget(loaded)
    check_processes(config)
    check_loggers(config.logging_config)
    check_compute(config.compute, several_optimizers=trains_several(config.model))


def run_training(request: TrainingRequest, console: Console) -> TrainingResult:
    """Train a model; everything that can be wrong is found before anything in the model folder is touched.

    Raises:
        ConfigError, DataError, CheckpointError, ResourceError: see ``errors``.
    """
    started, first, ranks = time.monotonic(), is_first_process(), meet()
    console = console if first else Console(quiet=True)
    seen = request.folder.state()
    request = after_restart(request, ranks)
    with ranks.together():
        earlier = EarlierRun.of(request)
    planned = _plan(request, earlier, console)
    config = planned.plan.config

    from gandlf_synth.models.checkpoint import HEADER_KEY, checkpoint_description
    from gandlf_synth.training.data import prepare_data
    from gandlf_synth.training.privacy.facts import with_public_facts
    from gandlf_synth.training.trained_start import with_values_of

    with ranks.together():
        extractor = _sample_extractor(config, planned.facts.spatial_dims)
        data = prepare_data(planned.splits, planned.scans, config, planned.facts, planned.cache, progress_bar(console))
        if config.privacy is not None:
            data = with_public_facts(data, config, planned.parent) if request.resume_from is None else data
        elif planned.parent is not None:
            data = with_values_of(planned.parent, data, config)
        checkpoint = _checkpoint(request)
        if checkpoint is not None:
            known = earlier is not None and earlier.images is not None and not request.new_data
            check_same_model(checkpoint, str(request.resume_from), config, data.spec, other_images=not known)
            data = data.as_known(checkpoint_description(checkpoint)[1])
            planned = _with_whole_batch(planned, checkpoint)
    seconds = trained_seconds(checkpoint) if checkpoint is not None else 0.0
    parent = checkpoint[HEADER_KEY].get("init_from", {}) if checkpoint is not None else {}
    past = _Past(earlier, seconds, parent, resolved(config.batch_size))
    del checkpoint  # its weights are read again by the trainer
    with ExitStack() as lock:
        with ranks.together():
            if first:
                lock.enter_context(request.folder.locked())
                request.folder.check_unchanged(request.mode, request.checkpoint, seen)
        return _train(request, planned, data, past, Reporter(console), extractor, started)


def _with_whole_batch(planned: PlannedRun, checkpoint: "CheckpointContent") -> PlannedRun:
    """Return the run with batches of all processes together that are as large as before."""
    plan = planned.plan
    config, note = keep_whole_batch(plan.config, checkpoint, total_processes(plan.config.compute))
    return replace(planned, plan=replace(plan, config=config, notes=[*plan.notes, *([note] if note else [])]))


@dataclass(frozen=True)
class _Past:
    """The sessions before this one, the seconds until its checkpoint, and the batch size as it is written."""

    run: EarlierRun | None
    seconds: float
    parent: Mapping[str, JsonValue]
    """What is on record of the trained model that the run started from."""
    asked_batch_size: int
    """As the configuration has it."""


def _checkpoint(request: TrainingRequest) -> "CheckpointContent | None":
    from gandlf_synth.models.checkpoint import read_checkpoint

    return read_checkpoint(request.resume_from, with_weights=False) if request.resume_from is not None else None


def _train(
    request: TrainingRequest,
    planned: PlannedRun,
    data: "TrainingData",
    past: _Past,
    reporter: Reporter,
    extractor: "Extractor | None",
    started: float,
) -> TrainingResult:
    from lightning.pytorch import seed_everything

    from gandlf_synth.pretrained.changes_file import write_changes
    from gandlf_synth.training.callbacks.power_averages import describe_memory
    from gandlf_synth.training.data import loader_workers
    from gandlf_synth.training.first_stage import seconds_left, train_first_stage
    from gandlf_synth.training.fit import fit

    folder, config = request.folder, planned.plan.config
    prepared = time.monotonic() - started
    seconds = None if request.seconds is None else max(1.0, request.seconds - prepared - past.seconds)
    start, untrained = _begin(request, planned, data, past, reporter)
    planned, module = start.planned, start.module
    plan, config = planned.plan, planned.plan.config
    module.check_components()
    check_splits(config.compute, module)
    if config.compute.compile:
        module.networks_to_compile()  # raises before anything is written
    plan.notes += describe_memory(module)
    expected = expect(planned, plan.cost, seconds) if plan.cost else None
    plan.notes += unused_time(expected, seconds, config.num_epochs) + too_few_steps(expected, seconds, prepared)
    images = record_images(planned.splits, planned.scans, config)
    record = begin_record(request, plan, images, asdict(expected) if expected else {})
    record = record.model_copy(update={"init_from": dict(module.parent)})
    if past.run is not None and past.run.record is not None:
        record = continue_record(record, past.run.record, changes(past.run, config), past.seconds)
    if is_first_process():
        folder.remove_unfinished()
        folder.forget_choice()
        if request.mode == "reset":
            folder.clear()
        write_beginning(folder, plan, data.spec, record, images, planned.document)
        reporter.open_log(folder.log_file)
        _announce(reporter, plan, data, record, expected)
    if untrained is not None:
        train_first_stage(module, untrained, request, config, reporter, run_training)
        start.check(reporter)
    limit, stage = request.seconds, config.model.prerequisite()
    if stage is not None:
        limit = seconds_left(request, stage)
        if request.resume_from is None:
            seed_everything(config.seed, workers=True, verbose=False)
    with noticing_who_left():
        result = fit(
            module, data.loaders(config, loader_workers(), past.asked_batch_size), config, folder, reporter.console,
            resume_from=request.resume_from, seconds=limit, prepared=prepared,
            callbacks=[*_sample_metrics(config, extractor, reporter), *_pace_check(request, plan, expected, reporter)],
        )  # fmt: skip
    record = end_record(record, result)
    if is_first_process():
        write_json(folder.record, record.model_dump())
        if config.model.lora is not None:
            write_changes(folder.choose_checkpoint(None), folder.adapter)
    _report(reporter, record, result)
    needs_rows = any(not part.optional for part in data.spec.parts)
    return TrainingResult(folder.root, folder.choose_checkpoint(None), record, needs_rows)


def _begin(
    request: TrainingRequest, planned: PlannedRun, data: "TrainingData", past: _Past, reporter: Reporter
) -> "tuple[TrainedStart, Prerequisite | None]":
    """Return the model with the weights that it begins with, and the stage before it where that is to be trained."""
    from lightning.pytorch import seed_everything

    from gandlf_synth.models.build import build_module
    from gandlf_synth.training.given_stage import given_checkpoint, load_given_stage
    from gandlf_synth.training.trained_start import begin_trained

    config = planned.plan.config
    seed_everything(config.seed, workers=True, verbose=False)
    module, stage = build_module(config.model, data.spec), config.model.prerequisite()
    module.parent = past.parent
    _, start = begin_trained(module, planned, data, reporter, has_prerequisite=stage is not None)
    if stage is None or request.resume_from is not None or start.gave_first_stage:
        return start, None
    checkpoint = given_checkpoint(stage)
    if checkpoint is None:
        return start, stage
    load_given_stage(module, stage, checkpoint)
    start.check(reporter)
    return start, None


def _report(reporter: Reporter, record: RunRecord, result: "FitResult") -> None:
    for finding in result.findings:
        reporter.say(f"Warning: {finding}", "yellow")
    if record.privacy:
        spent, delta, steps = (record.privacy[key] for key in ("epsilon", "delta", "steps"))
        reporter.say(f"Privacy: {steps} steps have spent epsilon {spent} at delta {delta}, for each subject", "bold")
    losses = ", ".join(f"{name} {value:.4f}" for name, value in sorted(result.metrics.items()))
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


def _pace_check(
    request: TrainingRequest, plan: Plan, expected: Expectation | None, reporter: Reporter
) -> "list[Callback]":
    """Return what compares the steps of a run that the clock ends with those of the trial."""
    from gandlf_synth.training.callbacks import PaceCheck

    if plan.cost is None or expected is None or request.seconds is None:
        return []
    sized = plan.reason("model_config.architecture")
    resize = f"begin again with {option('reset')}" if sized else ""
    seconds = plan.cost.stages[-1].stretches[0].seconds_per_step
    accumulated = plan.config.model.accumulate_grad_batches
    return [PaceCheck(seconds, expected.steps, reporter.say, accumulated=accumulated, resize=resize)]


def _announce(
    reporter: Reporter, plan: Plan, data: "TrainingData", record: RunRecord, expected: Expectation | None
) -> None:
    spec = data.spec
    counts = ", ".join(f"{len(manifest.samples)} {phase}" for phase, manifest in data.manifests.items())
    size = "×".join(str(length) for length in spec.shape)
    classes = f", {spec.num_classes} classes" if spec.num_classes else ""
    channels = counted(spec.num_channels, "channel")
    reporter.say(f"Data: {counts}; {size} voxels, {channels}{classes}", "bold")
    for choice in plan.choices:
        reporter.say(f"  {choice.key}: {choice.value} ({choice.reason})")
    for change in record.sessions[-1].changes:
        reporter.say(f"  changed: {change}")
    for note in plan.notes:
        reporter.say(f"  note: {note}", "dim")
    if expected is not None:
        reporter.say(f"Expected: {expected}", "bold")
