"""The plan of a run: the configuration with nothing left open, and the reason for each automatic choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError
from rich.console import Console

from gandlf_synth.config import Config, Document, LoadedConfig, Phase, PhasedSteps, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.config.messages import problems_of
from gandlf_synth.config.phases import PHASES
from gandlf_synth.config.schema import Precision
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import final_shape, normalizes
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.errors import ConfigError, raise_if_any
from gandlf_synth.training.contradictions import contradictions
from gandlf_synth.training.defaults import (
    Choice,
    Device,
    choose_batch_size,
    choose_channels,
    choose_dimensions,
    choose_final_resizing,
    choose_grid_interval,
    choose_modality,
    choose_no_average,
    choose_no_grids,
    choose_normalization,
    choose_paradigm,
    choose_precision,
    choose_resizing,
    choose_shape,
    detect_device,
)
from gandlf_synth.training.request import TrainingRequest, read_configuration
from gandlf_synth.training.strategy import SHARDED
from gandlf_synth.training.survey import Survey, survey_run

T = TypeVar("T")


@dataclass
class Plan:
    """The resolved configuration with the reasons; what training follows."""

    config: Config
    choices: list[Choice[object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reason(self, key: str) -> str:
        """Return why ``key`` has its value; empty where the user wrote it."""
        return next((choice.reason for choice in self.choices if choice.key == key), "")


@dataclass(frozen=True)
class PlannedRun:
    """What is known of a run before its data is prepared.

    Args:
        plan: the resolved configuration with its reasons.
        document: where the configuration was written.
        splits: the rows of each phase.
        scans: what each file holds.
        facts: of the images.
        cache: where prepared data goes.
    """

    plan: Plan
    document: Document
    splits: Mapping[Phase, Manifest]
    scans: Scans
    facts: Fingerprint
    cache: Path


def plan_run(request: TrainingRequest, console: Console) -> PlannedRun:
    """Read and check the configuration, the CSVs and every image, and make every choice; writes nothing but the cache.

    Raises:
        ConfigError, DataError: everything that is wrong, of the first kind that is met.
    """
    return plan_survey(survey_run(request, read_configuration(request), console))


def plan_survey(survey: Survey) -> PlannedRun:
    """Make every choice for a run whose configuration and images are known.

    Raises:
        ConfigError: everything in the configuration that the data contradicts.
        ValueError: the configuration is wrong, or the images are not one data set.
    """
    loaded, facts, splits = survey.loaded, survey.images.known_facts, survey.images.splits
    if loaded is None:
        raise ValueError("a run is planned only when its configuration can be used")
    plan = make_plan(loaded, facts, splits["train"], detect_device(loaded.config.compute))
    plan.notes += [f"subjects: {splits['train'].subject_rule}", *splits["train"].notes]
    return PlannedRun(plan, loaded.document, splits, survey.images.scans, facts, survey.cache)


def make_plan(loaded: LoadedConfig, data: Fingerprint, train: Manifest, device: Device) -> Plan:
    """Return the configuration with nothing left ``auto``.

    Args:
        loaded: the validated configuration.
        data: the facts of the images.
        train: the training split.
        device: what training will run on.

    Raises:
        ConfigError: everything in the configuration that the data contradicts.
    """
    raise_if_any(contradictions(loaded, data, train), ConfigError)
    try:
        return _Planner(loaded.config, data, train, device).plan()
    except ValidationError as error:
        section = type(loaded.config.model)
        raise ConfigError(*problems_of(error, loaded.document, section, ("model_config",))) from error


class _Planner:
    def __init__(self, config: Config, data: Fingerprint, train: Manifest, device: Device) -> None:
        self._config, self._data, self._train, self._device = config, data, train, device
        self._required = config.model.required_shape(data.spatial_dims)
        self._choices: list[Choice[object]] = []
        self._notes: list[str] = []

    def plan(self) -> Plan:
        config, model, samples = self._config, self._config.model, len(self._train.samples)
        dimensions = self._fill(model.n_dimensions, choose_dimensions(self._data))
        channels = self._fill(model.n_channels, choose_channels(self._data))
        paradigm = self._fill(model.labeling_paradigm, choose_paradigm(self._train))
        modality = self._fill(config.modality, choose_modality(self._data))
        shape = self._plan_shape()
        preprocessing = PhasedSteps(**{phase: self._plan_steps(phase, shape) for phase in PHASES})
        batch_size = self._fill(
            config.batch_size,
            choose_batch_size(shape, self._data.num_channels, samples, self._device, model.smallest_batch),
        )
        ema_decay = self._plan_average()
        grids = choose_grid_interval(config.num_epochs, samples / batch_size)
        if config.compute.strategy in SHARDED:
            grids = choose_no_grids(config.compute.strategy)
        every = self._fill(model.save_eval_images_every_n_epochs, grids)
        precision: Precision = self._fill(config.compute.precision, choose_precision(self._device))
        self._notes += model.plan_notes(config.num_epochs)
        if model.labeling_paradigm == "unlabeled" and self._train.labels:
            self._notes.append("the CSV has labels, which labeling_paradigm: unlabeled leaves unused")
        model = model.with_values(
            n_dimensions=dimensions,
            n_channels=channels,
            labeling_paradigm=paradigm,
            tensor_shape=shape,
            ema_decay=ema_decay,
            save_eval_images_every_n_epochs=every,
        )
        resolved = config.model_copy(
            update={
                "model": model,
                "modality": modality,
                "data_preprocessing": preprocessing,
                "batch_size": batch_size,
                "compute": config.compute.model_copy(update={"precision": precision}),
            }
        )
        return Plan(resolved, self._choices, [*self._data.notes, *self._notes])

    def _fill(self, written: T | Literal["auto"], choice: Choice[T]) -> T:
        """Return what is written, or take the choice and keep it with its reason."""
        if written != "auto":
            return written
        self._choices.append(choice)
        return choice.value

    def _plan_shape(self) -> list[int]:
        written = self._config.model.tensor_shape
        if self._required is not None:
            if written not in ("auto", self._required):
                what = f"tensor_shape {written} is set aside: the architecture makes {self._required}"
                self._notes.append(what)
            reason = "follows from the architecture"
            choice = Choice("model_config.tensor_shape", self._required, reason)
            return self._fill("auto" if written != self._required else written, choice)
        final = final_shape(self._config.data_preprocessing.train or [])
        if final:
            reason = "what data_preprocessing.train resizes to"
            return self._fill(written, Choice("model_config.tensor_shape", final, reason))
        return self._fill(written, choose_shape(self._data, self._device))

    def _plan_average(self) -> float:
        """Return the decay of the average of the weights, which no process can keep where they are shared out."""
        decay, strategy = self._config.model.ema_decay, self._config.compute.strategy
        return self._fill("auto", choose_no_average(strategy)) if decay and strategy in SHARDED else decay

    def _plan_steps(self, phase: Phase, shape: Sequence[int]) -> list[Step]:
        """Return the written steps of ``phase``, with what they lack: a size, and a range of values."""
        steps = list(self._config.data_preprocessing.of(phase) or [])
        choices = []
        if self._config.patch_sampler is None and self._lacks_size(steps, shape):
            choices.append(choose_final_resizing(steps, shape) if steps else choose_resizing(self._data, shape))
        if not normalizes(steps):
            choices.append(choose_normalization(self._data))
        for choice in choices:
            steps += choice.value
            if phase == "train":
                self._choices.append(Choice(choice.key, steps_as_written(choice.value), choice.reason))
        return steps

    def _lacks_size(self, steps: Sequence[Step], shape: Sequence[int]) -> bool:
        """Say whether ``steps`` set no size, or another than the one that the architecture requires."""
        final = final_shape(steps)
        return final is None or (self._required is not None and final != list(shape))
