"""Sections of the YAML that are written per phase: train, val, test, inference."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_serializer, model_validator

from gandlf_synth.config.component import Steps, steps_as_written

Phase = Literal["train", "val", "test", "inference"]
PHASES: tuple[Phase, ...] = ("train", "val", "test", "inference")


class PhasedSteps(BaseModel):
    """A pipeline per phase; one pipeline without phases serves all of them."""

    model_config = ConfigDict(extra="forbid")

    train: Steps | None = None
    val: Steps | None = None
    test: Steps | None = None
    inference: Steps | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        if value is None:
            return {}
        if isinstance(value, Mapping) and (not value or any(key in PHASES for key in value)):
            return value
        if isinstance(value, Mapping | list | str):
            return dict.fromkeys(PHASES, value)
        return value

    @model_serializer
    def _as_written(self) -> dict[str, object]:
        written = {phase: getattr(self, phase) for phase in PHASES}
        return {phase: steps_as_written(steps) for phase, steps in written.items() if steps is not None}

    def of(self, phase: Phase) -> Steps | None:
        """Return the pipeline of ``phase``; a phase that is not written uses that of training."""
        steps: Steps | None = getattr(self, phase)
        return steps if steps is not None else self.train


class LoaderOptions(BaseModel):
    """How one phase reads its batches; every key is that of ``torch.utils.data.DataLoader``."""

    model_config = ConfigDict(extra="forbid")

    num_workers: NonNegativeInt | Literal["auto"] = "auto"
    """Processes that prepare batches; ``auto`` uses none while the prepared data fits in memory unaugmented."""
    pin_memory: bool | Literal["auto"] = "auto"
    """Copy batches to page-locked memory; ``auto`` does so when a GPU is used."""
    drop_last: bool = False
    """Leave out the last batch when it is not full."""
    shuffle: bool | None = None
    """Draw the rows in random order; true for training unless written otherwise, always false elsewhere by default."""
    timeout: float = Field(0, ge=0)
    """Seconds to wait for a worker before giving up; 0 waits for ever."""
    prefetch_factor: int | None = Field(None, ge=1)
    """Batches that each worker prepares ahead."""
    persistent_workers: bool | None = None
    """Keep the workers between epochs; true unless written otherwise."""


class LoaderConfig(BaseModel):
    """The loader of each phase."""

    model_config = ConfigDict(extra="forbid")

    train: LoaderOptions = LoaderOptions()
    val: LoaderOptions = LoaderOptions()
    test: LoaderOptions = LoaderOptions()
    inference: LoaderOptions = LoaderOptions()

    def of(self, phase: Phase) -> LoaderOptions:
        """Return the loader of ``phase``."""
        options: LoaderOptions = getattr(self, phase)
        return options

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return {} if value is None else value
