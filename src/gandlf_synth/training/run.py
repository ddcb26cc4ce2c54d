"""One training run, from its plan to its record: prepare, fit, record."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from rich.console import Console

from gandlf_synth.config import Config, Prerequisite, resolved
from gandlf_synth.display.console import Reporter, progress_bar
from gandlf_synth.errors import option
from gandlf_synth.files import write_json
from gandlf_synth.launcher import is_first_process
from gandlf_synth.provenance import RunRecord
from gandlf_synth.ranks import meet, noticing_who_left
from gandlf_synth.training.announcement import announce_end, announce_start
from gandlf_synth.training.data_record import record_images
from gandlf_synth.training.expectation import Expectation, expect, too_few_steps, unused_time
from gandlf_synth.training.plan import Plan, PlannedRun
from gandlf_synth.training.record import begin_record, continue_record, end_record, write_beginning
from gandlf_synth.training.request import TrainingRequest, after_restart
from gandlf_synth.training.resume import (
    EarlierRun,
    changes,
    check_same_model,
    keep_whole_batch,
    trained_seconds,
)
from gandlf_synth.training.run_plan import plan_together
from gandlf_synth.training.strategy import check_splits, total_processes

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from gandlf_synth.metrics.extractors import Extractor
    from gandlf_synth.models.checkpoint import CheckpointContent
    from gandlf_synth.training.data import TrainingData
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
    planned = plan_together(request, earlier, console)
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
    record = _begin_record(request, planned, data, past, expected, module.parent, reporter)
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
    announce_end(reporter, record, result)
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


def _begin_record(
    request: TrainingRequest,
    planned: PlannedRun,
    data: "TrainingData",
    past: _Past,
    expected: Expectation | None,
    parent: Mapping[str, JsonValue],
    reporter: Reporter,
) -> RunRecord:
    """Return what is on record before the first step; the first process writes it, and says what will be done.

    Args:
        request: the request.
        planned: the run, with every choice made.
        data: the prepared images.
        past: the sessions before this one.
        expected: what the run is to take; None: not known.
        parent: what is on record of the trained model that the weights come from.
        reporter: says it.
    """
    folder, plan, config = request.folder, planned.plan, planned.plan.config
    images = record_images(planned.splits, planned.scans, config)
    record = begin_record(request, plan, images, asdict(expected) if expected else {})
    record = record.model_copy(update={"init_from": dict(parent)})
    if past.run is not None and past.run.record is not None:
        record = continue_record(record, past.run.record, changes(past.run, config), past.seconds)
    if is_first_process():
        folder.remove_unfinished()
        folder.forget_choice()
        if request.mode == "reset":
            folder.clear()
        write_beginning(folder, plan, data.spec, record, images, planned.document)
        reporter.open_log(folder.log_file)
        announce_start(reporter, plan, data, record, expected)
    return record


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
