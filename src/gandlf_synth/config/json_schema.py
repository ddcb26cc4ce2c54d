"""The configuration as JSON Schema, for editors that check YAML while it is written.

The keys of ``model_config`` depend on ``model_name`` through if/then: with ``oneOf`` editors report the errors of
every family.
"""

from typing import Any

from gandlf_synth import registry
from gandlf_synth.config.loading import model_config_class
from gandlf_synth.config.model import ModelConfig
from gandlf_synth.config.schema import Config

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
