"""What is laid over a configuration: assignments of the command line, and over an earlier run's a new one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from gandlf_synth.config.component import ByNetwork, Component, Step
from gandlf_synth.config.document import Document, parse_document
from gandlf_synth.config.phases import PhasedSteps
from gandlf_synth.config.spellings import with_own_names
from gandlf_synth.errors import ConfigError, Problem

_WHOLE = (Component, ByNetwork, Step, PhasedSteps)
"""What is replaced as a whole: parameters of one optimizer mean nothing to another."""
S = TypeVar("S", bound=BaseModel)


def overridden(document: Document, assignments: Sequence[str]) -> Document:
    """Return ``document`` with every ``key.path=value`` of the command line put in; values are read as YAML.

    >>> overridden(parse_document("seed: 1", "config.yaml"), ["model_config.guidance_scale=2"]).content
    {'seed': 1, 'model_config': {'guidance_scale': 2}}

    Raises:
        ConfigError: an assignment without ``=`` or without a key, or a value that is not YAML.
    """
    if not assignments:
        return document
    document = with_own_names(document)
    content, places = document.content, dict(document.places)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        keys = tuple(part.strip() for part in path.split("."))
        if not separator or not all(keys):
            what = f"{assignment!r} is not an assignment"
            raise ConfigError(Problem("--set", what, "key.path=value, such as model_config.guidance_scale=2"))
        nested: Any = parse_document(f"value: {text}", f"--set {path}").content["value"]
        for key in reversed(keys):
            nested = {key: nested}
        assigned = with_own_names(Document("--set", nested, places={keys: f"--set {path}"}))
        content = _merged(content, assigned.content)
        places |= assigned.places
    return replace(document, content=content, places=places)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _merged(result[key], value)
        else:
            result[key] = value
    return result


def laid_over(earlier: S, later: S) -> S:
    """Return ``earlier`` with every value that ``later`` sets and does not leave ``auto``, section by section.

    Components and pipelines are taken over as a whole.

    Raises:
        ValidationError: the values do not go together.
    """
    values: dict[str, Any] = dict(earlier)
    for name in later.model_fields_set:
        new, old = getattr(later, name), values.get(name)
        if new != "auto":
            both = isinstance(old, BaseModel) and type(old) is type(new) and not isinstance(old, _WHOLE)
            values[name] = laid_over(old, new) if both else new
    return type(earlier).model_validate(values)
