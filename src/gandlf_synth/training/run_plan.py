"""The plan of a run from its request: its configuration, its images, and the trained model that it may start from."""

import time
from dataclasses import replace

from rich.console import Console

from gandlf_synth.config import Document, LoadedConfig, Phase, validate
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.launcher import is_first_process
from gandlf_synth.provenance import digest
from gandlf_synth.ranks import Ranks, meet
from gandlf_synth.training.inheritance import Inheritance, inherit
from gandlf_synth.training.loggers import check_loggers
from gandlf_synth.training.plan import PlannedRun, plan_survey
from gandlf_synth.training.privacy.limits import check_budget, check_processes, check_subjects
from gandlf_synth.training.privacy.plan import plan_privacy
from gandlf_synth.training.request import TrainingRequest, read_configuration, read_written
from gandlf_synth.training.resume import EarlierRun, check_same_run, go_on_with_data
from gandlf_synth.training.strategy import check_compute, trains_several
from gandlf_synth.training.survey import Survey, survey_run

_FOR_TRAINING = 0.9
"""The share of the time of a run that is left for training steps: trials, validation and grids take the rest."""


def plan_run(request: TrainingRequest, console: Console) -> PlannedRun:
    """Read and check the configuration, the CSVs and every image, and make every choice; writes nothing but the cache.

    Raises:
        ConfigError, DataError: everything that is wrong, of the first kind that is met.
    """
    inheritance = inherit(read_configuration(request))
    return plan_inheritance(survey_run(request, inheritance.loaded, console), inheritance)


def plan_inheritance(
    survey: Survey, inheritance: Inheritance, *, seconds: float | None = None, measured: bool = False
) -> PlannedRun:
    """Make every choice for a run that may start from a trained model; see ``plan_survey``."""
    planned = plan_survey(survey, seconds=seconds, measured=measured)
    plan, stage = planned.plan, planned.plan.config.model.prerequisite()
    if stage is not None and stage.checkpoint is not None:
        from gandlf_synth.training.given_stage import check_given_stage  # imports torch

        check_given_stage(planned)
    plan.choices = [*inheritance.choices, *plan.choices]
    plan.notes = [*inheritance.notes, *inheritance.size_notes(planned.facts), *plan.notes]
    planned = plan_privacy(replace(planned, parent=inheritance.parent), seconds)
    has_parent = bool(inheritance.parents) or planned.plan.config.model.init_from is not None
    check_subjects(planned.plan.config, planned.document, planned.splits["train"], has_parent=has_parent)
    return planned


def plan_training(request: TrainingRequest, console: Console) -> PlannedRun:
    """Check the request, the machine, the configuration and every image, and make every choice.

    Nothing is written but the cache.

    Raises:
        ConfigError, DataError, CheckpointError, MissingExtraError, ResourceError: see ``errors``.
    """
    return plan_together(request, EarlierRun.of(request), console)


def plan_together(request: TrainingRequest, earlier: EarlierRun | None, console: Console) -> PlannedRun:
    """Plan as ``plan_training`` does, so that all processes of the run have the choices of the first.

    Args:
        request: the request.
        earlier: the run that this one goes on with; None: it begins anew.
        console: where progress is shown.
    """
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
