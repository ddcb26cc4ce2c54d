"""What sections of the YAML are built on: their base class, and values with a form of their own."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from gandlf_synth.config.size import bytes_of


class Section(BaseModel):
    """A section of the YAML."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


def as_text(value: object) -> object:
    """Return a whole number as text, for values that are texts and may be written as numbers, such as ``32``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_size(value: str) -> str:
    bytes_of(value)
    return value


Size = Annotated[str, BeforeValidator(as_text), AfterValidator(_is_size)]
"""A number of bytes as people write it, such as ``20GB``."""
