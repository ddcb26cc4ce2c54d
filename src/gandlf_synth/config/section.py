"""What every section of the YAML is built on."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the YAML."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
