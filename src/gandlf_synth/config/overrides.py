"""Values given on the command line, ``--set model_config.guidance_scale=2``, over those of the YAML."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gandlf_synth.config.document import Document, merged, parse_document
from gandlf_synth.errors import ConfigError, Problem


def overridden(document: Document, assignments: Sequence[str]) -> Document:
    """Return ``document`` with every ``key.path=value`` put in; values are read as YAML.

    Raises:
        ConfigError: an assignment without ``=`` or without a key, or a value that is not YAML.
    """
    content, places = document.content, dict(document.places)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        keys = tuple(part.strip() for part in path.split("."))
        if not separator or not all(keys):
            what = f"{assignment!r} is not an assignment"
            raise ConfigError(Problem("--set", what, "key.path=value, such as model_config.guidance_scale=2"))
        value = parse_document(f"value: {text}", f"--set {path}").content["value"]
        nested: Any = value
        for key in reversed(keys):
            nested = {key: nested}
        content = merged(content, nested)
        places[keys] = f"--set {path}"
    return replace(document, content=content, places=places)
