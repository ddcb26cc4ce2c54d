"""What a model family tells of itself before any of its code is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from gandlf_synth.config import ModelConfig

Task = Literal["synthesis", "reconstruction", "inpainting"]


@dataclass(frozen=True)
class ModelFamily:
    """The descriptor that an entry point of the group ``models`` names; imports no torch.

    Args:
        title: one line for lists.
        paper: authors, year, arXiv or DOI.
        config: ``module:class`` of the ``ModelConfig``; that module must not import torch.
        module: ``module:class`` of the ``GenerativeModule``.
        tasks: what a trained model can do.
        spatial_dims: dimensions it is defined for.
        tiny: a ``model_config`` section, without ``model_name``, that trains in a blink; for the conformance kit.
    """

    title: str
    paper: str
    config: str
    module: str
    tasks: tuple[Task, ...] = ("synthesis",)
    spatial_dims: tuple[int, ...] = (2, 3)
    tiny: Mapping[str, Any] = field(default_factory=dict)

    def config_class(self) -> type[ModelConfig]:
        """Load the configuration class."""
        loaded: type[ModelConfig] = _load(self.config)
        return loaded

    def module_class(self) -> Any:
        """Load the Lightning module's class, and with it torch; ``build_module`` knows its type."""
        return _load(self.module)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
