"""What a run leaves to be read: the configuration as written and as used, the facts of the data, the run record."""

from collections.abc import Mapping
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gandlf_synth.config import Document, Phase
from gandlf_synth.data.formats.scan import stored_bytes
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.files import write_json, write_text
from gandlf_synth.launcher import hardware
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import RunRecord, data_digest, digest, software_versions
from gandlf_synth.training.plan import Plan

if TYPE_CHECKING:
    from gandlf_synth.data.loading.spec import DataSpec


def begin_record(
    command: str, plan: Plan, splits: Mapping[Phase, Manifest], expected: Mapping[str, float]
) -> RunRecord:
    """Return the record of a run that begins: what it is made of, and what is ``expected`` of it."""
    rows = [
        (phase, sample.subject, str(sample.label), *(f"{path.name}:{stored_bytes(path)}" for path in sample.files))
        for phase, manifest in splits.items()
        for sample in manifest.samples
    ]
    return RunRecord(
        command=command,
        model_name=plan.config.model.model_name,
        config_digest=digest(plan.config.model_dump(mode="json", by_alias=True)),
        data_digest=data_digest(rows),
        seed=plan.config.seed,
        versions=software_versions(),
        hardware=hardware(),
        expected=dict(expected),
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        notes=[*(f"{choice.key} = {choice.value}: {choice.reason}" for choice in plan.choices), *plan.notes],
    )


def write_beginning(folder: ModelFolder, plan: Plan, spec: "DataSpec", record: RunRecord, document: Document) -> None:
    """Write what is known before the first step."""
    source = Path(document.name)
    if source.is_file():
        write_text(folder.config, source.read_text(encoding="utf-8"))
    write_text(folder.resolved_config, resolved_yaml(plan))
    write_json(folder.spec, spec.model_dump())
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
