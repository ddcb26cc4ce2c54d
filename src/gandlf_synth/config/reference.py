"""What every key of the YAML means, in words and as JSON Schema, taken from the classes that validate it.

In the JSON Schema, the keys of ``model_config`` depend on ``model_name`` through if/then: with ``oneOf`` editors report
the errors of every family.
"""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gandlf_synth import registry
from gandlf_synth.config.component import ByNetwork, Component, Step
from gandlf_synth.config.loading import model_config_class
from gandlf_synth.config.model import ModelConfig
from gandlf_synth.config.registered_name import RegisteredName
from gandlf_synth.config.schema import Config

_PLAIN: dict[type, str] = {Component: "name with parameters", ByNetwork: "one per network", Step: "transform"}


@dataclass(frozen=True)
class KeyDescription:
    """One key of the YAML.

    Args:
        path: dotted, such as ``model_config.guidance_scale``.
        kind: what may be written, in words.
        default: what it is when absent; ``required`` when it must be there.
        text: what it is for.
    """

    path: str
    kind: str
    default: str
    text: str


def describe_keys(model_name: str | None = None) -> list[KeyDescription]:
    """Return every key of a configuration, with those of the family ``model_name`` or only those that all share."""
    section = model_config_class(model_name) if model_name else ModelConfig
    return list(_keys(Config[section], ""))  # type: ignore[valid-type]


def _keys(schema: type[BaseModel], prefix: str) -> Iterator[KeyDescription]:
    for name, field in schema.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        kind = _kind(Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation)
        yield KeyDescription(path, kind, _default(field), field.description or "")
        section = _section(field.annotation)
        if section is not None and section not in _PLAIN:
            yield from _keys(section, f"{path}.")


def _section(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, Component):
        return ", ".join([default.name, *(f"{key} {value}" for key, value in default.parameters.items())])
    if isinstance(default, BaseModel):
        return ""
    if default is None:
        return "absent"
    return str(default).lower() if isinstance(default, bool) else str(default)


_WORDS: dict[type, str] = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def _kind(annotation: object) -> str:
    parts = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        names = next((part for part in parts if isinstance(part, RegisteredName)), None)
        return " | ".join(names.names()) if names else _kind(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_kind(part) for part in parts if part is not type(None)))
    if origin is Literal:
        return " | ".join(str(value) for value in parts)
    if origin in (list, dict):
        return f"list of {_kind(parts[0])}" if origin is list else "mapping"
    if not isinstance(annotation, type):
        return "any"
    return (_PLAIN | _WORDS).get(annotation, "section" if issubclass(annotation, BaseModel) else "any")


_ANY = ["string", "object", "array", "null"]
_FREE = {"type": _ANY}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a whole configuration with every registered family."""
    whole = Config[ModelConfig].model_json_schema(by_alias=True)
    definitions = {name: part for name, part in whole.get("$defs", {}).items() if name not in ("ModelConfig", "Step")}
    branches = []
    for name in registry.names("models"):
        section = model_config_class(name).model_json_schema(by_alias=True)
        definitions |= section.pop("$defs", {})
        section["properties"]["model_name"] = {"const": name, "description": "The registered name of the model family."}
        definitions[f"model_{name}"] = section
        condition = {"properties": {"model_name": {"const": name}}}
        branches.append({"if": condition, "then": {"$ref": f"#/$defs/model_{name}"}})
    whole["properties"]["model_config"] = {
        "type": "object",
        "description": "The model: its family, its networks, how it is optimised.",
        "required": ["model_name"],
        "properties": {"model_name": {"enum": registry.names("models")}},
        "allOf": branches,
    }
    whole["$defs"] = {name: _loosened(part) for name, part in definitions.items() if name not in _COMPONENTS}
    whole["properties"] = {name: _loosened(part) for name, part in whole["properties"].items()}
    whole["properties"]["data_augmentations"] = whole["properties"]["data_augmentation"]
    whole["title"] = "A configuration of GaNDLF-Synth"
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return whole


_COMPONENTS = ("Component", "ByNetwork", "Step", "PhasedSteps", "LoaderConfig")
"""Written in several forms each (a name, a mapping, a list); the program itself checks what is in them."""


def _loosened(part: Any) -> Any:
    """Return a schema in which what may be written in several forms accepts all of them."""
    if isinstance(part, list):
        return [_loosened(item) for item in part]
    if not isinstance(part, dict):
        return part
    target = str(part.get("$ref", "")).removeprefix("#/$defs/")
    if target in _COMPONENTS:
        return _FREE | {key: part[key] for key in ("description", "default") if key in part}
    items = part.get("items")
    if isinstance(items, dict) and str(items.get("$ref", "")).endswith(("/Step", "/Component")):
        return _FREE | {key: part[key] for key in ("description", "default") if key in part}
    return {key: _loosened(value) for key, value in part.items()}
