"""What a run leaves to be read: the configuration as written and as used, the facts of the data, the run record."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gandlf_synth.config import Document
from gandlf_synth.files import write_json, write_text
from gandlf_synth.launcher import hardware, peak_memory_mb
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import RunRecord, Session, data_digest, digest, software_versions
from gandlf_synth.training.data_record import DataRecord, write_data_record
from gandlf_synth.training.plan import Plan
from gandlf_synth.training.request import TrainingRequest

if TYPE_CHECKING:
    from gandlf_synth.data.loading.spec import DataSpec
    from gandlf_synth.training.fit import FitResult


NOT_TOLD = "not told: it would say whether given images are all of those that were trained on"
"""What stands for the digest of images that a privacy budget protects."""
_PUBLIC_NOTES = ("privacy", "compute.precision", "model_config.gradient_clip_val")
_PLACES = {"cache_dir", "cache_size", "data_store", "logging_config", "verbose"}
"""Keys that say where something is kept, and nothing of the model."""
_IN_FORCE = {"num_epochs", "batch_size", "data_augmentation", "early_stopping_config", "compute"}
_MODEL_IN_FORCE = {"losses", "optimizers", "schedulers", "gradient_clip_val", "accumulate_grad_batches", "ema_decay"}
_MODEL_IN_FORCE |= {"lr_warmup_fraction", "lr_cooldown_fraction"}


def begin_record(request: TrainingRequest, plan: Plan, images: DataRecord, expected: Mapping[str, float]) -> RunRecord:
    """Return the record of a run that begins: what it is made of, and what is ``expected`` of it."""
    rows = [(phase, row.label, row.condition, *row.files) for phase, records in images.items() for row in records]
    config = plan.config
    dumped = config.model_dump(mode="json", by_alias=True, exclude=_PLACES)
    in_force = config.model_dump(mode="json", by_alias=True, include=_IN_FORCE, exclude_none=True)
    in_force |= config.model.model_dump(mode="json", include=_MODEL_IN_FORCE, exclude_none=True)
    if request.seconds is not None:
        in_force["minutes"] = request.seconds / 60
    started = _now()
    notes = [*(f"{choice.key} = {choice.value}: {choice.reason}" for choice in plan.choices), *plan.notes]
    private = config.privacy is not None
    if private:
        notes = [note for note in notes if note.startswith(_PUBLIC_NOTES)]
    return RunRecord(
        command=request.command,
        model_name=config.model.model_name,
        config_digest=digest(dumped),
        data_digest=NOT_TOLD if private else data_digest(rows),
        split_ratios={"val": request.val_ratio, "test": request.test_ratio},
        seed=config.seed,
        versions=software_versions(),
        hardware=hardware(),
        expected=dict(expected),
        started=started,
        notes=notes,
        sessions=[Session(command=request.command, started=started, in_force=in_force)],
    )


def continue_record(begun: RunRecord, earlier: RunRecord, changes: Sequence[str], seconds: float) -> RunRecord:
    """Return the record of a run that goes on.

    Args:
        begun: the record of this session alone.
        earlier: that of the sessions before.
        changes: what is not as it was.
        seconds: of training until the checkpoint from which it goes on.
    """
    sessions = list(earlier.sessions)
    if sessions and not sessions[-1].ended:
        counted = sum(session.seconds for session in sessions[:-1])
        sessions[-1] = sessions[-1].model_copy(update={"seconds": round(max(0.0, seconds - counted), 1)})
    versions = [
        f"{name}: {earlier.versions.get(name)} → {version}"
        for name, version in begun.versions.items()
        if earlier.versions.get(name) != version
    ]
    session = begun.sessions[0].model_copy(update={"changes": [*changes, *versions]})
    kept = {"command": earlier.command, "started": earlier.started, "seconds": round(seconds, 1)}
    kept["metrics"] = earlier.metrics  # of a run that had ended nothing is measured again
    notes = list(dict.fromkeys([*earlier.notes, *begun.notes]))
    return begun.model_copy(update={**kept, "notes": notes, "sessions": [*sessions, session]})


def end_record(record: RunRecord, result: "FitResult") -> RunRecord:
    """Return the record of a run whose session has ended."""
    *before, session = record.sessions
    seconds = round(result.seconds - sum(one.seconds for one in before), 1)
    reached = {"epochs": result.epochs, "steps": result.steps}
    session = session.model_copy(update={"ended": _now(), "seconds": max(0.0, seconds), **reached})
    told = not result.privacy  # losses and symptoms tell of images without noise
    return record.model_copy(
        update={
            **reached,
            "seconds": round(result.seconds, 1),
            "metrics": (result.metrics or record.metrics) if told else {},
            "privacy": dict(result.privacy),
            "peak_memory_mb": peak_memory_mb(),
            "notes": list(dict.fromkeys([*record.notes, *(result.findings if told else [])])),
            "sessions": [*before, session],
        }
    )


def read_run_record(path: Path) -> RunRecord | None:
    """Return the run record at ``path``, or None where there is none that can be read."""
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def write_beginning(
    folder: ModelFolder, plan: Plan, spec: "DataSpec", record: RunRecord, images: DataRecord, document: Document
) -> None:
    """Write what is known before the first step."""
    source = Path(document.name)
    if source.is_file():
        write_text(folder.config, source.read_text(encoding="utf-8"))
    write_text(folder.resolved_config, resolved_yaml(plan))
    write_json(folder.spec, spec.model_dump())
    write_data_record(folder.data_record, images)
    write_json(folder.record, record.model_dump())


def resolved_yaml(plan: Plan) -> str:
    """Return the resolved configuration with the reason beside every automatic choice.

    The text is a valid configuration: training with it repeats the run without choosing anything again.
    """
    content = _commented(plan.config.model_dump(mode="json", by_alias=True, exclude_none=True))
    for choice in plan.choices:
        *sections, last = choice.key.split(".")
        section = content
        for name in sections:
            section = section[name]
        if last in section:
            section.yaml_set_comment_before_after_key(last, before=f"auto: {choice.reason}", indent=2 * len(sections))
    notes = "".join(f"note: {note}\n" for note in plan.notes)
    content.yaml_set_start_comment(
        "The configuration as it was used; choices marked auto were made from the data and the device.\n" + notes
    )
    stream = StringIO()
    writer = YAML()
    writer.width = 120
    writer.dump(content, stream)
    return stream.getvalue()


def _commented(node: Any) -> Any:
    if isinstance(node, dict):
        return CommentedMap((key, _commented(value)) for key, value in node.items())
    if not isinstance(node, list):
        return node
    sequence = CommentedSeq(_commented(item) for item in node)
    if not any(isinstance(item, dict | list) for item in node):
        sequence.fa.set_flow_style()
    return sequence
