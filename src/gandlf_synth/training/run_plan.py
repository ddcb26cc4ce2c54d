"""The plan of a run from its request: its configuration, its images, and the trained model that it may start from."""

from dataclasses import replace

from rich.console import Console

from gandlf_synth.training.inheritance import Inheritance, inherit
from gandlf_synth.training.plan import PlannedRun, plan_survey
from gandlf_synth.training.privacy.limits import check_subjects
from gandlf_synth.training.privacy.plan import plan_privacy
from gandlf_synth.training.request import TrainingRequest, read_configuration
from gandlf_synth.training.survey import Survey, survey_run


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
