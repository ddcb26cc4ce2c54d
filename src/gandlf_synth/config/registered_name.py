"""A text in the YAML that names a component of an open group."""

from dataclasses import dataclass, replace

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gandlf_synth import registry
from gandlf_synth.errors import Problem


@dataclass(frozen=True)
class RegisteredName:
    """Marks a field that takes any name of a registry group; a wrong name is reported with those that exist.

    Args:
        group: such as ``noise_schedules``.
        others: further texts that the field takes, such as ``auto``.

    Example:
        >>> from typing import Annotated
        >>> from pydantic import TypeAdapter
        >>> TypeAdapter(Annotated[str, RegisteredName("noise_schedules")]).validate_python("cosine")
        'cosine'
    """

    group: str
    others: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Return the names that are allowed."""
        return [*self.others, *registry.names(self.group)]

    def problem(self, name: str) -> Problem | None:
        """Return the problem with ``name``, else None; its place is added by whoever reads the YAML."""
        problem = None if name in self.others else registry.unknown_name(self.group, name, "")
        return replace(problem, allowed=", ".join([*self.others, problem.allowed])) if problem else None

    def check(self, name: str) -> str:
        """Return ``name``.

        Raises:
            ValueError: the name is not allowed.
        """
        problem = self.problem(name)
        if problem:
            raise ValueError(str(problem))
        return name

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the name after the text."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """List the names for editors."""
        return handler(schema) | {"enum": self.names()}
