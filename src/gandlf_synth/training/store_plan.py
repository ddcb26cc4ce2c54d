"""What is done to the images of a store: decided once, by the first task, for all tasks and for later trainings."""

from math import prod
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from gandlf_synth.config import Phase, PhasedSteps, Step, resolved
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.formats.shards.encoding import StoredType
from gandlf_synth.data.formats.shards.index import Preparation
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.processing.pipeline import Pipeline, for_phase
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.errors import ConfigError, DataError, Problem
from gandlf_synth.files import parse_json
from gandlf_synth.provenance import digest
from gandlf_synth.training.plan import PlannedRun
from gandlf_synth.training.stored_data import looks_at_sources

PLAN = "plan.json"
_LABEL_BYTES = 2
_TYPE_BYTES = {"float16": 2, "int16": 2, "float32": 4}


class StorePlan(BaseModel):
    """What all tasks of a preparation agree on; the file ``plan.json`` of a store that is being made."""

    model_config = ConfigDict(extra="forbid")

    data: str
    """Digest of the rows of the CSV."""
    preparation: Preparation
    stored_type: StoredType
    rows_per_shard: int
    seed: int
    """Decides which rows lie in one shard."""


def plan_store(
    planned: PlannedRun, stored_type: StoredType, phase: Phase, written: dict[str, Any], shard_bytes: int
) -> StorePlan:
    """Return how the images of a planned run become a store.

    Args:
        planned: the run, whose training split is the whole CSV.
        stored_type: in which numbers voxels are kept.
        phase: for which they are.
        written: the preprocessing as the configuration has it.
        shard_bytes: of a shard, about.
    """
    config, facts, manifest = planned.plan.config, planned.facts, planned.splits["train"]
    phases = config.data_preprocessing.model_dump(mode="json")
    shape = None if config.patch_sampler else list(resolved(config.model.tensor_shape))
    preparation = Preparation(
        phase=phase,
        steps=steps_as_written(for_phase(config.data_preprocessing.of(phase) or [], phase)),
        phases=phases,
        written=written,
        shape=shape,
        column_channels=list(facts.column_channels),
        source_channels=list(facts.source_channels if looks_at_sources(config, facts, manifest) else ()),
        keeps_mask=any(sample.mask is not None for sample in manifest.samples),
        keeps_region=any(sample.region is not None for sample in manifest.samples),
    )
    preparation = preparation.model_copy(update={"code": digest(pipeline_of(preparation).key())})
    maps = preparation.keeps_mask + preparation.keeps_region
    channels = sum(preparation.column_channels) + sum(preparation.source_channels)
    image_bytes = prod(shape or facts.shape) * (channels * _TYPE_BYTES[stored_type] + maps * _LABEL_BYTES)
    return StorePlan(
        data=data_of(manifest), preparation=preparation, stored_type=stored_type,
        rows_per_shard=max(1, shard_bytes // image_bytes), seed=config.seed,
    )  # fmt: skip


def data_of(manifest: Manifest) -> str:
    """Return a digest of the rows of a CSV."""
    return digest(
        [[each.subject, each.label, list(map(str, each.files)), dict(each.extra)] for each in manifest.samples]
    )


def pipeline_of(preparation: Preparation) -> Pipeline:
    """Return what makes the images of a store."""
    return Pipeline(
        tuple(steps_of(preparation.steps)), tuple(preparation.column_channels),
        None if preparation.shape is None else tuple(preparation.shape), keeps_mask=preparation.keeps_mask,
        source_channels=tuple(preparation.source_channels), keeps_region=preparation.keeps_region,
    )  # fmt: skip


def steps_of(written: JsonValue) -> list[Step]:
    """Return the steps that a preparation names."""
    return PhasedSteps.model_validate({"train": written}).train or []


def agreed_plan(location: Location, plan: StorePlan) -> StorePlan:
    """Return the plan that the first task wrote, which is ``plan`` where there is none.

    Choices that depend on the machine are those of the first task.

    Raises:
        ConfigError: the store was begun with other data or another configuration.
        DataError: the plan is damaged.
    """
    if not location.has(PLAN):
        location.write(PLAN, plan.model_dump_json(indent=1).encode() + b"\n")
    where = location.at(PLAN)
    try:
        agreed = StorePlan.model_validate(parse_json(location.read(PLAN), where))
    except ValidationError as error:
        fix = "remove the store and prepare it again"
        raise DataError(Problem(where, f"is damaged: {error.errors()[0]['msg']}", fix=fix)) from error
    theirs, ours = agreed.preparation, plan.preparation
    differing = {
        "another CSV": agreed.data != plan.data,
        f"dtype {agreed.stored_type}": agreed.stored_type != plan.stored_type,
        f"seed {agreed.seed}": agreed.seed != plan.seed,
        f"--phase {theirs.phase}": theirs.phase != ours.phase,
        f"data_preprocessing {theirs.written or 'absent'}": theirs.written != ours.written,
        "code of another version": theirs.phases == ours.phases and theirs.code != ours.code,
        "other sources, masks or regions": (theirs.source_channels, theirs.keeps_mask, theirs.keeps_region)
        != (ours.source_channels, ours.keeps_mask, ours.keeps_region),
    }
    if begun := ", ".join(what for what, differs in differing.items() if differs):
        fix = "go on with the same, name another place, or remove the store"
        raise ConfigError(Problem(f"store {location}", f"was begun with {begun}", fix=fix))
    return agreed
