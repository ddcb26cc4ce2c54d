"""Keys of GaNDLF and of earlier versions of GaNDLF-Synth that are accepted and do nothing.

A configuration that was written for them runs unchanged. Each type says what decides in place of the key.
"""

from typing import Annotated, Any

from pydantic import Field


def _accepted(source: str, instead: str) -> Any:
    return Field(description=f"Accepted for configs of {source}; {instead}.")


NormType = Annotated[str, _accepted("GaNDLF", "families with a choice of normalisation have it in ``architecture``")]
"""``model_config.norm_type``."""
ConverterType = Annotated[str, _accepted("GaNDLF", "has no effect")]
"""``model_config.converter_type``."""
InputShape = Annotated[list[int] | None, _accepted("GaNDLF-Synth", "the data decides")]
"""``model_config.input_shape``."""
OutputShape = Annotated[list[int] | None, _accepted("GaNDLF-Synth", "the data decides")]
"""``model_config.output_shape``."""
Patience = Annotated[int, _accepted("GaNDLF", "``early_stopping_config`` decides"), Field(ge=0)]
"""``patience``."""
InMemory = Annotated[bool, _accepted("GaNDLF", "prepared data is kept in memory when it fits")]
"""``in_memory``."""
Verbose = Annotated[bool, _accepted("GaNDLF", "has no effect")]
"""``verbose``."""
Version = Annotated[dict[str, object] | None, _accepted("GaNDLF", "has no effect")]
"""``version``."""
