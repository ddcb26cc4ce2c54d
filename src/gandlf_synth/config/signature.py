"""Checks what the YAML says of a component against the signature of the factory that makes it.

A factory is any callable behind an entry point: a function or a class. Its positional-only parameters come from the
program (the weights to optimise, the optimizer to schedule); every other parameter may be written in the YAML. Names,
defaults and annotations (pydantic's constraints included) are the schema, so nothing is written twice.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gandlf_synth import registry
from gandlf_synth.config.component import Component
from gandlf_synth.config.document import Document, KeyPath
from gandlf_synth.config.messages import problems_of
from gandlf_synth.errors import ConfigError, Problem

Factory = Callable[..., Any]


def parameter_problems(group: str, component: Component, document: Document, path: KeyPath) -> list[Problem]:
    """Return what is wrong with the name and the parameters of a component.

    Args:
        group: the registry group, such as ``"losses"``.
        component: what was written.
        document: the file it was written in.
        path: the key path of the component, as ``components_at`` gives it.
    """
    unknown = registry.unknown_name(group, component.name, document.where(path))
    if unknown:
        return [unknown]
    model = parameter_model(registry.load(group, component.name))
    try:
        model.model_validate(component.parameters)
    except ValidationError as error:
        return problems_of(error, _in_one_mapping(document, path, component), model, path)
    return []


def factory_of(group: str, component: Component, where: str) -> Factory:
    """Return the factory that is registered under the component's name.

    Raises:
        ConfigError: no component of ``group`` has that name; the message starts with ``where``.
        PluginError: its package cannot be imported.
    """
    unknown = registry.unknown_name(group, component.name, where)
    if unknown:
        raise ConfigError(unknown)
    factory: Factory = registry.load(group, component.name)
    return factory


def build(factory: Factory, component: Component, where: str, /, *args: object, **context: object) -> Any:
    """Return ``factory(*args, **parameters of the component, **context)``.

    Args:
        factory: what ``factory_of`` returned.
        component: name and parameters; values are converted to the annotated types, a list to a tuple for example.
        where: the place in the configuration, for messages.
        args: the positional-only arguments.
        context: keyword arguments that the caller insists on; they win over the component's.

    Raises:
        ConfigError: a parameter is unknown, missing or invalid, or the factory refuses what it got.
    """
    bound = bind(factory, component, where, **context)
    try:
        return bound(*args)
    except (TypeError, ValueError) as error:
        raise ConfigError(Problem(where, f"{component.name} refuses its parameters: {error}")) from error


def bind(factory: Factory, component: Component, where: str, /, **context: object) -> Factory:
    """Return ``factory`` with its parameters given: what is left to give are its positional-only arguments.

    Args:
        factory: what ``factory_of`` returned.
        component: name and parameters; values are converted to the annotated types, a list to a tuple for example.
        where: the place in the configuration, for messages.
        context: keyword arguments that the caller insists on; they win over the component's.

    Raises:
        ConfigError: a parameter is unknown, missing or invalid.
    """
    model = parameter_model(factory)
    unfit = sorted(set(context) - set(model.model_fields))
    if unfit and model.model_config.get("extra") == "forbid":
        raise ConfigError(
            Problem(where, f"{component.name} cannot be used here: it has no parameter {', '.join(unfit)}")
        )
    try:
        parameters = model.model_validate(component.parameters)
    except ValidationError as error:
        raise ConfigError(*problems_of(error, Document(where, component.parameters), model)) from error
    written = {name: getattr(parameters, name) for name in parameters.model_fields_set}
    return partial(factory, **(written | context))


def parameter_model(factory: Factory) -> type[BaseModel]:
    """Return a pydantic model whose fields are the parameters of ``factory`` that a YAML may set."""
    parameters = _signature(factory).parameters.values()
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    fields: dict[str, Any] = {p.name: (_annotation(p), ... if p.default is p.empty else p.default) for p in by_name}
    settings = ConfigDict(extra="allow" if is_open else "forbid", arbitrary_types_allowed=True, protected_namespaces=())
    return create_model("Parameters", __config__=settings, **fields)


def _signature(factory: Factory) -> inspect.Signature:
    try:
        return inspect.signature(factory, eval_str=True)
    except NameError:  # an annotation whose name is imported for type checkers only
        return inspect.signature(factory)


def _annotation(parameter: inspect.Parameter) -> object:
    annotation = parameter.annotation
    return Any if annotation is parameter.empty or isinstance(annotation, str) else annotation


def _in_one_mapping(document: Document, path: KeyPath, component: Component) -> Document:
    """Return a document in which the parameters stand directly under ``path``, on the lines where they were written.

    Users may also write ``name: {parameters}``, or lists of one-key mappings.
    """
    lines = dict(document.lines)
    for key in component.parameters:
        for written in ((*path, key), (*path, component.name, key)):
            place = _place(document.content, written)
            if place in document.lines:
                lines[(*path, key)] = document.lines[place]
                break
    content: Any = component.parameters
    for part in reversed(path):
        content = {part: content}
    return replace(document, content=content, lines=lines)


def _place(node: object, path: KeyPath) -> KeyPath:
    """Return ``path`` with the indices of lists that stand for mappings, or an empty path when it is not there."""
    place: KeyPath = ()
    for part in path:
        if isinstance(node, list):
            index = next((i for i, item in enumerate(node) if isinstance(item, Mapping) and part in item), None)
            if index is None:
                return ()
            node, place = node[index], (*place, index)
        if not isinstance(node, Mapping) or part not in node:
            return ()
        node, place = node[part], (*place, part)
    return place
