"""The resolved configuration as YAML that explains itself."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gandlf_synth.training.planning import Plan


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
