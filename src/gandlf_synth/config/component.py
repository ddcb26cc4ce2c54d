"""A component named in the YAML (a loss, an optimizer, a transform) in every way in which users write one."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

_NAME_KEYS = ("name", "type")


class Component(BaseModel):
    """A registered name with its parameters.

    Written as a bare name (``mse``), as ``{name: mse, …}`` (schedulers also ``{type: step, …}``), as
    ``{mse: {…}}``, or as a list of one-key mappings that together say the same.
    """

    model_config = ConfigDict(extra="allow")

    name: str
    """The registered name; case does not matter."""

    @property
    def parameters(self) -> dict[str, object]:
        """Everything but the name."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _from_any_form(cls, value: object) -> object:
        value = _merge_list(value)
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping):
            return value
        for key in _NAME_KEYS:
            if key in value:
                rest = {other: content for other, content in value.items() if other not in _NAME_KEYS}
                return {"name": value[key], **rest}
        if len(value) == 1:
            ((name, parameters),) = value.items()
            if parameters is None or isinstance(parameters, Mapping):
                return {"name": name, **(parameters or {})}
        return value


def _merge_list(value: object) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    if len(value) == 1 and isinstance(value[0], str):
        return value[0]
    if all(isinstance(item, Mapping) for item in value):
        return {key: content for item in value for key, content in item.items()}
    return value


class ByNetwork(BaseModel):
    """One component per network of a model, such as ``{discriminator: {…}, generator: {…}}``."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Component]

    @property
    def networks(self) -> dict[str, Component]:
        """The component of each network, by the network's name."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.networks:
            raise ValueError("names no component")
        return self


def _one_or_by_network(value: object) -> object:
    merged = _merge_list(value)
    if isinstance(merged, Component | ByNetwork) or not isinstance(merged, Mapping):
        return merged if not isinstance(merged, str) else Component(name=merged)
    if any(key in merged for key in _NAME_KEYS):
        return Component.model_validate(merged)
    if merged and all(_names_a_component(content) for content in merged.values()):
        return ByNetwork.model_validate(merged)
    return Component.model_validate(merged)


def _names_a_component(value: object) -> bool:
    value = _merge_list(value)
    if isinstance(value, str):
        return True
    if not isinstance(value, Mapping):
        return False
    one_named = len(value) == 1 and all(isinstance(content, Mapping) for content in value.values())
    return one_named or any(key in value for key in _NAME_KEYS)


Components = Annotated[Component | ByNetwork, BeforeValidator(_one_or_by_network)]
"""One component for the whole model, or one per network."""


class Step(BaseModel):
    """One transform of a pipeline, with its parameters as written: nothing, a value, a list or a mapping."""

    model_config = ConfigDict(extra="forbid")

    name: str
    parameters: Any = None


def _steps(value: object) -> object:
    if value is None:
        return []
    if isinstance(value, str):
        return [Step(name=value)]
    if isinstance(value, Mapping):
        return [Step(name=name, parameters=parameters) for name, parameters in value.items()]
    if isinstance(value, Sequence):
        return [item if isinstance(item, Step) else step for item in value for step in _one_step(item)]
    return value


def _one_step(item: object) -> list[object]:
    if isinstance(item, Mapping) and set(item) == {"name", "parameters"}:
        return [Step(**item)]
    steps = _steps(item) if isinstance(item, str | Mapping) else [item]
    return list(steps) if isinstance(steps, Sequence) else [steps]


Steps = Annotated[list[Step], BeforeValidator(_steps)]
"""A pipeline, in the order written: a mapping, a bare name, or a list of either."""


def steps_as_written(steps: Sequence[Step]) -> list[object]:
    """Return a pipeline in the YAML's own style, as a list of ``name`` or ``{name: parameters}``."""
    return [step.name if step.parameters is None else {step.name: step.parameters} for step in steps]
