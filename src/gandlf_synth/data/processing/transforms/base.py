"""What a preprocessing step is; found through the entry-point group ``preprocessing``."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from gandlf_synth.data.formats.image import Image


class Parameters(BaseModel):
    """What a step of a pipeline can be told in the YAML: by name, as one bare value, or nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    positional: ClassVar[str | None] = None
    """The field that takes a value written without a key, as in ``resize: [64, 64]``."""

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: Any) -> Any:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        if cls.positional is None:
            if value is True:
                return {}
            raise ValueError("takes no value" if not cls.model_fields else "takes its parameters by name")
        return {cls.positional: value}


class Transform(Parameters, ABC):
    """A deterministic step from image to image; its fields are the parameters in the YAML.

    A subclass records what it does to the grid in ``Image.geometry`` and what it does to the values through
    ``Image.rescaled``, so that export can undo it.
    """

    normalises: ClassVar[bool] = False
    """Whether the step brings values of any unit to a common range."""
    train_only: ClassVar[bool] = False
    """Whether the step is left out of every phase but training."""

    def sources(self) -> tuple[Path, ...]:
        """Return the files that decide the outcome beside the image itself, such as a target to be matched."""
        return ()

    @abstractmethod
    def __call__(self, image: Image) -> Image:
        """Return the transformed image.

        Raises:
            TransformError: the step cannot be applied to an image like this one.
        """


class TransformError(Exception):
    """A step that cannot be applied; the caller knows the file and makes the message."""
