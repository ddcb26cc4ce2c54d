"""Turns what pydantic found wrong into problems that name file, line, key, and what would have been right."""

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gandlf_synth.config.document import Document, KeyPath
from gandlf_synth.config.network_size import TAGS
from gandlf_synth.errors import Problem, did_you_mean, listing


def problems_of(
    error: ValidationError, document: Document, model: type[BaseModel], prefix: KeyPath = ()
) -> list[Problem]:
    """Return one problem per key that ``error`` complains of.

    Args:
        error: what ``model`` raised.
        document: where the values were written.
        model: the class that validated them.
        prefix: the key path in ``document`` under which they stand.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        path = _written_path(document, prefix, detail["loc"])
        by_path.setdefault(path, []).append(detail)
    return [_problem(path, details, document, model, prefix) for path, details in by_path.items()]


def _written_path(document: Document, prefix: KeyPath, location: tuple[int | str, ...]) -> KeyPath:
    """Keep the parts of pydantic's location that are keys of the document; unions add parts that are not."""
    path, node = prefix, _follow(document.content, prefix)
    for position, part in enumerate(location):
        is_key = isinstance(node, Mapping) and part in node
        is_item = isinstance(node, list) and isinstance(part, int) and part < len(node)
        if is_key or is_item:
            path, node = (*path, part), _follow(node, (part,))
        elif (
            position == len(location) - 1
            and isinstance(part, str)
            and isinstance(node, Mapping | None)
            and part not in TAGS
        ):
            path = (*path, part)
    return path


def _follow(node: object, path: KeyPath) -> object:
    for part in path:
        if isinstance(node, Mapping):
            node = node.get(part)
        else:
            node = node[part] if isinstance(node, list) and isinstance(part, int) else None
    return node


def _problem(
    path: KeyPath, details: list[ErrorDetails], document: Document, model: type[BaseModel], prefix: KeyPath
) -> Problem:
    where = document.where(path)
    kinds = {detail["type"] for detail in details}
    if "extra_forbidden" in kinds:
        known = _keys_at(model, path[len(prefix) : -1])
        return Problem(where, "unknown key", listing(known), did_you_mean(str(path[-1]), known))
    if "missing" in kinds:
        return Problem(where, "is required but absent")
    allowed = " or ".join(dict.fromkeys(_allowed(detail) for detail in details))
    if kinds == {"value_error"}:
        return Problem(where, allowed)
    value = details[0]["input"]
    choices = [choice for detail in details for choice in _choices(detail)]
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return Problem(where, f"{value!r} is not valid", allowed, hint)


def _allowed(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        return ", ".join(_choices(detail))
    if detail["type"] == "value_error":
        return str(context["error"])
    message = str(detail["msg"])
    for start in ("Input should be a valid ", "Input should be "):
        message = message.removeprefix(start)
    return message.split(", unable to")[0]


def _choices(detail: ErrorDetails) -> list[str]:
    if detail["type"] != "literal_error":
        return []
    return [choice.strip().strip("'") for choice in detail["ctx"]["expected"].replace(" or ", ", ").split(",")]


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    current: type[BaseModel] | None = model
    for part in path:
        field = _field(current, part) if current else None
        current = _section(field.annotation) if field else None
    if current is None:
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _field(model: type[BaseModel], key: int | str) -> FieldInfo | None:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field
    return None


def _section(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        section = _section(argument)
        if section:
            return section
    return None
