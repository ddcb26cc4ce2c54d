"""A trained model that a configuration builds on and leaves as it is: looked at before any work, and put on record."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from gandlf_synth.config import Prerequisite, resolved
from gandlf_synth.errors import CheckpointError, Problem, counted, raise_if_any
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import checkpoint_description, load_module, read_checkpoint, weights_digest
from gandlf_synth.pretrained.terms import find_terms
from gandlf_synth.provenance import NOT_STATED
from gandlf_synth.training.plan import PlannedRun


def given_checkpoint(stage: Prerequisite) -> Path | None:
    """Return the checkpoint of a model that is trained already; None where it is trained by the same command.

    Raises:
        CheckpointError: the folder that is named holds none.
    """
    path = stage.checkpoint
    return ModelFolder(path).choose_checkpoint(None) if path is not None and path.is_dir() else path


def check_given_stage(planned: PlannedRun) -> None:
    """Refuse a trained model that a run builds on and that is not for such images; weights are not read.

    Raises:
        CheckpointError: it cannot be read, is of another family, or was trained on other images.
    """
    stage = planned.plan.config.model.prerequisite()
    checkpoint = None if stage is None else given_checkpoint(stage)
    if stage is not None and checkpoint is not None:
        raise_if_any(list(_differences(planned, stage, checkpoint)), CheckpointError)


def _differences(planned: PlannedRun, stage: Prerequisite, checkpoint: Path) -> Iterator[Problem]:
    section, spec = checkpoint_description(read_checkpoint(checkpoint, with_weights=False))
    model, facts, where = planned.plan.config.model, planned.facts, str(stage.checkpoint)
    if section["model_name"] != stage.model.model_name:
        what = f"is a {section['model_name']} model, and {model.model_name} builds on one of {stage.model.model_name}"
        yield Problem(where, what, fix="name another model folder")
        return
    if spec.spatial_dims != facts.spatial_dims or spec.num_channels != facts.num_channels:
        before, now = (f"{counted(one.num_channels, 'channel')} in {one.spatial_dims}D" for one in (spec, facts))
        what = f"was trained on images of {before}, and these have {now}"
        yield Problem(where, what, fix="name a model of such images")
        return
    shape = tuple(resolved(model.tensor_shape))
    if spec.shape != shape:
        sizes = ["×".join(map(str, one)) for one in (spec.shape, shape)]
        what = f"was trained on images of {sizes[0]}, and these have {sizes[1]}"
        yield Problem(where, what, fix=f"write model_config.tensor_shape: {list(spec.shape)}")


def load_given_stage(module: GenerativeModule, stage: Prerequisite, checkpoint: Path) -> None:
    """Let ``module`` build on the trained model in ``checkpoint``, and have it on record where it started from none.

    Raises:
        CheckpointError: it does not fit.
    """
    trained = load_module(checkpoint)
    module.load_first_stage(trained)
    if not module.parent:
        module.parent = _record(trained, Path(str(stage.checkpoint)), checkpoint)


def _record(trained: GenerativeModule, named: Path, checkpoint: Path) -> dict[str, JsonValue]:
    """Return what ``init_from`` says of a model that another builds on; see ``provenance.RunRecord``."""
    terms = find_terms(checkpoint, trained.parent)
    record: dict[str, JsonValue] = {
        "source": named.name or named.resolve().name,
        "adapter": "gandlf-synth",
        "weights_sha256": weights_digest(trained.state_dict()),
        "license": terms.license or NOT_STATED,
        "origin": terms.origin or NOT_STATED,
        "loaded": len(trained.state_dict()),
    }
    record |= {"non_commercial": True} if terms.non_commercial else {}
    return record | ({"init_from": dict(trained.parent)} if trained.parent else {})
