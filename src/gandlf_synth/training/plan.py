"""The plan of a run: the configuration with nothing left open, and the reason for each automatic choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from gandlf_synth.config import Config, Document, LoadedConfig, ModelConfig, Phase, PhasedSteps, Setting, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.config.messages import problems_of
from gandlf_synth.config.phases import PHASES
from gandlf_synth.config.schema import Precision
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.sides import differing_sides, rows_without_targets
from gandlf_synth.data.processing.pipeline import final_shape, keeps_grid, lays_alike, normalizes
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.errors import ConfigError, counted, raise_if_any
from gandlf_synth.training.architecture import Budget, Networks, choose_networks
from gandlf_synth.training.contradictions import contradictions
from gandlf_synth.training.cost import Cost
from gandlf_synth.training.defaults import (
    Choice,
    Device,
    choose_batch_for_steps,
    choose_batch_size,
    choose_channels,
    choose_dimensions,
    choose_endless,
    choose_final_resizing,
    choose_grid_interval,
    choose_grids_by_the_clock,
    choose_modality,
    choose_no_average,
    choose_no_grids,
    choose_normalization,
    choose_orientation,
    choose_paradigm,
    choose_precision,
    choose_resizing,
    choose_shape,
    detect_device,
)
from gandlf_synth.training.own_resolution import coarser_by, find_own_resolution
from gandlf_synth.training.strategy import in_several_processes
from gandlf_synth.training.survey import Survey
from gandlf_synth.training.windows import cut_off

if TYPE_CHECKING:
    from gandlf_synth.pretrained.parent import Parent

T = TypeVar("T")

_SEEN_COARSER = 1.2
"""How many times coarser than the files images are that a person should be told of."""


@dataclass
class Plan:
    """The resolved configuration with the reasons; what training follows."""

    config: Config
    choices: list[Choice[object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cost: Cost | None = None
    """What steps cost, where that was measured."""

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
    parent: "Parent | None" = None
    """The trained model that the run starts from."""


def plan_survey(survey: Survey, *, seconds: float | None = None, measured: bool = False) -> PlannedRun:
    """Make every choice for a run whose configuration and images are known.

    Args:
        survey: configuration and images.
        seconds: of training; None: as many epochs as the configuration says.
        measured: whether steps may be tried where networks are to be chosen.

    Raises:
        ConfigError: everything in the configuration that the data contradicts.
        DataError: rows that do not have what the model is conditioned on.
        ValueError: the configuration is wrong, or the images are not one data set.
    """
    loaded, facts, splits = survey.loaded, survey.images.known_facts, survey.images.splits
    if loaded is None:
        raise ValueError("a run is planned only when its configuration can be used")
    if loaded.config.model.conditioning:
        from gandlf_synth.training.data import check_conditions  # imports torch

        check_conditions(loaded.config, splits, survey.images.scans, facts)
    measure = None
    compute = loaded.config.compute
    if measured and compute.strategy not in ("fsdp", "deepspeed") and not in_several_processes(compute):
        measure = partial(_measure, facts=facts, train=splits["train"])
    budget = Budget(seconds, measure)
    plan = make_plan(loaded, facts, splits["train"], detect_device(loaded.config.compute), budget)
    plan.notes += [f"subjects: {splits['train'].subject_rule}", *splits["train"].notes]
    plan.notes += cut_off(loaded.config.data_preprocessing.train or [], facts)
    if loaded.config.model.compares_sides:
        plan.notes += differing_sides(splits["train"], survey.images.scans)
    else:
        plan.notes += rows_without_targets(splits["train"])
    if odd := sum(len(units.problems) for units in facts.units):
        plan.notes.append(f"{counted(odd, 'image')} in another unit than most of the column; check names the rows")
    return PlannedRun(plan, loaded.document, splits, survey.images.scans, facts, survey.cache)


def _measure(config: Config, facts: Fingerprint, train: Manifest) -> Cost:
    from gandlf_synth.training.speed import measure_cost  # imports torch, which nothing else here does

    return measure_cost(config, facts, train)


def make_plan(
    loaded: LoadedConfig, data: Fingerprint, train: Manifest, device: Device, budget: Budget | None = None
) -> Plan:
    """Return the configuration with nothing left ``auto``.

    Args:
        loaded: the validated configuration.
        data: the facts of the images.
        train: the training split.
        device: what training will run on.
        budget: the time of the run; None: as many epochs as the configuration says.

    Raises:
        ConfigError: everything in the configuration that the data contradicts.
    """
    raise_if_any(contradictions(loaded, data, train), ConfigError)
    try:
        return _plan_networks(loaded.config, data, train, device, budget or Budget())
    except ValidationError as error:
        section = type(loaded.config.model)
        raise ConfigError(*problems_of(error, loaded.document, section, ("model_config",))) from error


def _plan_networks(config: Config, data: Fingerprint, train: Manifest, device: Device, budget: Budget) -> Plan:
    def plan(networks: Networks) -> Plan:
        return _Planner(config, data, train, device, budget, networks).plan()

    networks = choose_networks(
        config,
        lambda networks: plan(networks).config,
        budget,
        samples=len(train.samples),
        dims=data.spatial_dims,
        gpu_memory=device.memory_bytes if device.kind == "gpu" else None,
    )
    return plan(networks)


class _Planner:
    """Makes every choice for networks that are written, or of a given size.

    Args:
        config: as written.
        data: the facts of the images.
        train: the training split.
        device: what training will run on.
        budget: the time of the run.
        networks: their size where none are written, and the batch where memory decided.
    """

    def __init__(
        self,
        config: Config,
        data: Fingerprint,
        train: Manifest,
        device: Device,
        budget: Budget,
        networks: Networks,
    ) -> None:
        self._config, self._data, self._train, self._device = config, data, train, device
        self._budget, self._networks, self._batch = budget, networks.size, networks.batch
        self._required = config.model.required_shape(data.spatial_dims)
        self._own = find_own_resolution(config, data, device)
        self._patches = config.patch_sampler
        self._choices: list[Choice[object]] = []
        self._notes: list[str] = []

    def plan(self) -> Plan:
        config, written, samples = self._config, self._config.model, len(self._train.samples)
        dimensions = self._fill(written.n_dimensions, choose_dimensions(self._data))
        channels = self._fill(written.n_channels, choose_channels(self._data))
        paradigm = self._fill(written.labeling_paradigm, choose_paradigm(self._train))
        modality = self._fill(config.modality, choose_modality(self._data))
        epochs = self._plan_epochs()
        model = self._plan_networks(epochs)
        shape = self._plan_shape()
        preprocessing = PhasedSteps(**{phase: self._plan_steps(phase, shape) for phase in PHASES})
        model, batch_size = self._plan_batch(model, shape)
        ema_decay = self._plan_average()
        by_clock, steps_per_epoch = self._budget.seconds is not None, samples / batch_size
        grids = choose_grids_by_the_clock() if by_clock else choose_grid_interval(epochs, steps_per_epoch)
        if config.compute.strategy == "deepspeed":
            grids = choose_no_grids(config.compute.strategy)
        every = self._fill(model.save_eval_images_every_n_epochs, grids)
        precision: Precision = self._fill(config.compute.precision, choose_precision(self._device))
        self._notes += model.plan_notes(epochs)
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
        resolved_config = config.model_copy(
            update={
                "model": model,
                "modality": modality,
                "num_epochs": epochs,
                "data_preprocessing": preprocessing,
                "batch_size": batch_size,
                "patch_sampler": self._patches,
                "compute": config.compute.model_copy(update={"precision": precision}),
            }
        )
        cost = self._networks.cost if self._networks else None
        return Plan(resolved_config, self._choices, [*self._data.notes, *self._notes], cost)

    def _plan_epochs(self) -> int:
        """Return the epochs: as written, or more than the time of the run is enough for."""
        config = self._config
        if self._budget.seconds is None or "num_epochs" in config.model_fields_set or config.model.schedulers:
            return config.num_epochs
        return self._fill("auto", choose_endless(self._budget.seconds))

    def _plan_networks(self, epochs: int) -> ModelConfig:
        """Return the model with its networks, and keep what was chosen for them."""
        written = self._config.model
        if self._networks is None:
            return written
        seen = written.tensor_shape
        if seen == "auto":
            final = final_shape(self._config.data_preprocessing.train or [])
            seen = list(final or self._choose_shape().value)
        setting = Setting(seen, self._device.kind == "gpu", epochs)
        model = written.with_networks(setting, self._networks.size)
        for key in type(model).model_fields:
            value = getattr(model, key)
            if value != getattr(written, key):
                beside = model.choice_reasons.get(key, "chosen with the size of the networks")
                reason = self._networks.reason if key == "architecture" else beside
                self._choices.append(Choice(f"model_config.{key}", _plain(value), reason))
        self._required = model.required_shape(self._data.spatial_dims)
        return model

    def _plan_batch(self, model: ModelConfig, shape: Sequence[int]) -> tuple[ModelConfig, int]:
        """Return the images in a training step, and the model with those of the stage before it and of its sums."""
        config, first = self._config, model.prerequisite()
        batch_size = self._fill(config.batch_size, self._choose_batch(model, model.trained_shape(shape)))
        if self._batch is not None and self._batch.accumulated > 1:
            sums = Choice("model_config.accumulate_grad_batches", self._batch.accumulated, self._batch.reason)
            model = model.model_copy(update={"accumulate_grad_batches": self._fill("auto", sums)})
        if first is not None and first.batch_size is None and first.checkpoint is None:
            choice = self._choose_batch(first.model, shape)
            if config.batch_size != "auto":
                choice = Choice("", batch_size, "as batch_size")
            choice = Choice("model_config.first_stage_batch_size", choice.value, choice.reason)
            model = model.model_copy(update={"first_stage_batch_size": self._fill("auto", choice)})
        return model, batch_size

    def _choose_batch(self, model: ModelConfig, shape: Sequence[int]) -> Choice[int]:
        samples = len(self._train.samples)
        if self._batch is not None:
            return Choice("batch_size", self._batch.size, self._batch.reason)
        limits = model.smallest_batch, model.largest_batch
        if self._networks is not None:
            return choose_batch_for_steps(shape, samples, self._device, *limits)
        return choose_batch_size(shape, self._data.num_channels, samples, self._device, *limits)

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
                what = f"tensor_shape {written} is not used: the architecture makes images of {self._required}"
                self._notes.append(what)
            reason = "follows from the architecture"
            choice = Choice("model_config.tensor_shape", self._required, reason)
            return self._fill("auto" if written != self._required else written, choice)
        final = final_shape(self._config.data_preprocessing.train or [])
        if final:
            reason = "what data_preprocessing.train resizes to"
            return self._fill(written, Choice("model_config.tensor_shape", final, reason))
        if self._own is not None and self._own.patches is not None and self._patches is None:
            self._patches = self._fill("auto", self._own.patches)
        return self._fill(written, self._choose_shape())

    def _choose_shape(self) -> Choice[list[int]]:
        if self._own is not None:
            return self._own.shape
        choice = choose_shape(self._data, self._device)
        coarser = coarser_by(self._config, self._data, choice.value)
        if coarser < _SEEN_COARSER:
            return choice
        blurred = f"what is made is brought to the files' grid and is up to {coarser:.1f} times coarser than they are"
        other = "pix2pix, or patch_sampler: uniform with a tensor_shape, sees their own voxels"
        return Choice(choice.key, choice.value, f"{choice.reason}; {blurred}; {other}")

    def _plan_average(self) -> float:
        """Return the decay of the average of the weights, which nobody keeps where deepspeed has them."""
        decay, strategy = self._config.model.ema_decay, self._config.compute.strategy
        return self._fill("auto", choose_no_average(strategy)) if decay and strategy == "deepspeed" else decay

    def _plan_steps(self, phase: Phase, shape: Sequence[int]) -> list[Step]:
        """Return the written steps of ``phase``, with what they lack: one orientation, a size, a range of values."""
        steps = list(self._config.data_preprocessing.of(phase) or [])
        choices = []
        if self._patches is None and self._lacks_size(steps, shape):
            choices.append(self._choose_sizing(steps, shape))
        if not normalizes(steps):
            choices.append(choose_normalization(self._data, sources=self._looks_at_sources()))
        steps += [step for choice in choices for step in choice.value]
        if len(self._data.orientations) > 1 and not lays_alike(steps):
            choices.insert(0, choose_orientation(self._data))
            steps = [*choices[0].value, *steps]
        if phase == "train":
            self._choices += [Choice(one.key, steps_as_written(one.value), one.reason) for one in choices]
        return steps

    def _choose_sizing(self, steps: Sequence[Step], shape: Sequence[int]) -> Choice[list[Step]]:
        if self._own is not None and self._own.sizing is not None:
            return self._own.sizing
        if not keeps_grid(steps):
            return choose_final_resizing(steps, shape)
        return choose_resizing(self._data, shape, isotropic=self._required is not None)

    def _looks_at_sources(self) -> bool:
        steps = [step for step in self._config.model.conditioning if step.name.lower() != "class"]
        if not steps or not self._data.source_channels:
            return False
        from gandlf_synth.data.loading.conditioners import images_read  # imports torch
        from gandlf_synth.training.data import conditions_of

        return "sources" in images_read(conditions_of(self._config, self._data, self._train))

    def _lacks_size(self, steps: Sequence[Step], shape: Sequence[int]) -> bool:
        """Say whether ``steps`` set no size, or another than the one that the architecture requires."""
        final = final_shape(steps)
        return final is None or (self._required is not None and final != list(shape))


def _plain(value: object) -> object:
    """Return what was chosen of a section, without its defaults."""
    return value.model_dump(mode="json", exclude_unset=True) if isinstance(value, BaseModel) else value
