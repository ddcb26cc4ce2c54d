"""Fills in what the configuration leaves open, from the data and the device, and says why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gandlf_synth import registry
from gandlf_synth.config import Config, Document, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import normalises
from gandlf_synth.data.table.manifest import Manifest, paradigm
from gandlf_synth.errors import ConfigError, Problem, raise_if_any
from gandlf_synth.training.defaults import (
    Device,
    default_batch_size,
    default_grid_interval,
    default_normalisation,
    default_precision,
    default_resizing,
    default_shape,
)
from gandlf_synth.training.strategy import SHARDED

_SIZING = ("resize", "crop_or_pad", "centercrop", "resize_and_pad")


@dataclass(frozen=True)
class Choice:
    """An automatic choice: the key, the value taken, and the reason."""

    key: str
    value: Any
    reason: str


@dataclass
class Plan:
    """The resolved configuration with the reasons; what training follows."""

    config: Config[Any]
    choices: list[Choice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_plan(config: Config[Any], document: Document, data: Fingerprint, train: Manifest, device: Device) -> Plan:
    """Return ``config`` with nothing left ``auto``.

    Args:
        config: the validated configuration.
        document: where it was written, for messages.
        data: the facts of the data.
        train: the training split.
        device: what it will run on.

    Raises:
        ConfigError: everything in the configuration that the data contradicts.
    """
    raise_if_any(_contradictions(config, document, data, train), ConfigError)
    planner = _Planner(config, data, train, device)
    planner.plan()
    return Plan(planner.resolved(), planner.choices, [*data.notes, *planner.notes])


class _Planner:
    def __init__(self, config: Config[Any], data: Fingerprint, train: Manifest, device: Device) -> None:
        self.config, self.data, self.train, self.device = config, data, train, device
        self.content = config.model_dump(mode="json", by_alias=True)
        self.choices: list[Choice] = []
        self.notes: list[str] = []

    def plan(self) -> None:
        model = self.config.model
        self.choose("model_config.n_dimensions", self.data.spatial_dims, "the images' own")
        self.choose("model_config.n_channels", self.data.num_channels, _channel_reason(self.data))
        self.choose("model_config.labeling_paradigm", paradigm(self.train), _paradigm_reason(self.train))
        colour = self.data.is_colour
        self.choose("modality", "histo" if colour else "rad", "colour pictures" if colour else "not colour pictures")
        self.plan_shape()
        shape = self.content["model_config"]["tensor_shape"]
        self.plan_preprocessing(shape)
        size, reason = default_batch_size(
            shape, self.data.num_channels, len(self.train.samples), self.device, model.smallest_batch
        )
        self.choose("batch_size", size, reason)
        steps = len(self.train.samples) / self.content["batch_size"]
        every, reason = default_grid_interval(self.config.num_epochs, steps)
        self.plan_sharding()
        self.choose("model_config.save_eval_images_every_n_epochs", every, reason)
        precision, reason = default_precision(self.device)
        self.choose("compute.precision", precision, reason)
        self.notes += model.plan_notes(self.config.num_epochs)
        if model.labeling_paradigm == "unlabeled" and self.train.labels:
            self.notes.append("the CSV has labels, which labeling_paradigm: unlabeled leaves unused")

    def choose(self, key: str, value: Any, reason: str) -> None:
        """Set ``key`` when it is ``auto``, and note the reason."""
        *sections, last = key.split(".")
        section = self.content
        for name in sections:
            section = section[name]
        if section[last] == "auto":
            section[last] = value
            self.choices.append(Choice(key, value, reason))

    def plan_sharding(self) -> None:
        """Do without what needs the weights in one place, where the strategy shares them out among devices."""
        strategy, section = self.config.compute.strategy, self.content["model_config"]
        if strategy not in SHARDED:
            return
        reason = f"{strategy} shares the weights out, and no process holds all of them"
        if section["ema_decay"]:
            section["ema_decay"] = 0.0
            self.choices.append(Choice("model_config.ema_decay", 0.0, reason))
        self.choose("model_config.save_eval_images_every_n_epochs", -1, reason)

    def plan_shape(self) -> None:
        required = self.config.model.required_shape(self.data.spatial_dims)
        if required is not None:
            self.plan_required_shape(required)
            return
        written = _final_shape(self.config.data_preprocessing.train or [])
        if written:
            self.choose("model_config.tensor_shape", written, "what data_preprocessing.train resizes to")
        shape, reason = default_shape(self.data, self.device)
        self.choose("model_config.tensor_shape", shape, reason)

    def plan_required_shape(self, required: list[int]) -> None:
        """Set the size that follows from the architecture, whatever is written."""
        section = self.content["model_config"]
        if section["tensor_shape"] not in ("auto", required):
            self.notes.append(f"tensor_shape {section['tensor_shape']} is set aside: the architecture makes {required}")
            section["tensor_shape"] = "auto"
        self.choose("model_config.tensor_shape", required, "follows from the architecture")

    def plan_preprocessing(self, shape: Sequence[int]) -> None:
        written = self.config.data_preprocessing
        phases = {}
        for phase in ("train", "val", "test", "inference"):
            steps = list(written.of(phase) or [])
            added: list[Step] = []
            whole = self.config.patch_sampler is None
            if whole and (_final_shape(steps) is None or self.resizes_again(steps, shape)):
                added, reason = self._resizing(steps, shape)
                self._note_steps(phase, added, reason)
            if not normalises(steps):
                normalisation, reason = default_normalisation(self.data)
                added = [*added, normalisation]
                self._note_steps(phase, [normalisation], reason)
            phases[phase] = steps_as_written([*steps, *added])
        self.content["data_preprocessing"] = phases

    def resizes_again(self, steps: Sequence[Step], shape: Sequence[int]) -> bool:
        """Say whether the written size is another than the one that the architecture requires."""
        required = self.config.model.required_shape(self.data.spatial_dims)
        return required is not None and _final_shape(steps) != list(shape)

    def _resizing(self, steps: Sequence[Step], shape: Sequence[int]) -> tuple[list[Step], str]:
        """Return what brings images to ``shape`` after the written ``steps``, of which none sets a size."""
        if not steps:
            return default_resizing(self.data, shape)
        keeps_spacing = any(step.name.lower().startswith("resample") for step in steps)
        name = "crop_or_pad" if keeps_spacing else "resize"
        return [Step(name=name, parameters=list(shape))], "the written steps set no size, or another"

    def _note_steps(self, phase: str, steps: Sequence[Step], reason: str) -> None:
        if phase == "train" and steps:
            self.choices.append(Choice("data_preprocessing", steps_as_written(steps), reason))

    def resolved(self) -> Config[Any]:
        return type(self.config).model_validate(self.content)


def _final_shape(steps: Sequence[Step]) -> list[int] | None:
    """Return the size that a written pipeline ends with, if it sets one."""
    for step in reversed(steps):
        if step.name.lower() in _SIZING:
            transform = registry.load("preprocessing", step.name).model_validate(step.parameters)
            return list(transform.shape)
    return None


def _channel_reason(data: Fingerprint) -> str:
    columns = len(data.column_channels)
    if columns > 1:
        return f"{columns} columns in the CSV"
    return (
        "colour pictures"
        if data.is_colour
        else "one grey value per voxel"
        if data.num_channels == 1
        else "the images' own"
    )


def _paradigm_reason(train: Manifest) -> str:
    if not train.labels:
        return "the CSV has no Label column"
    return f"the CSV's Label column has {len(train.labels)} values"


def _contradictions(config: Config[Any], document: Document, data: Fingerprint, train: Manifest) -> list[Problem]:
    model, problems = config.model, []

    def contradiction(key: str, given: Any, found: str, fix: str = "") -> None:
        where = document.where(("model_config", key))
        fix = fix or "correct it or leave it out: it is taken from the data"
        problems.append(Problem(where, f"says {given}, but {found}", fix=fix))

    problems += _sharding_contradictions(config, document)
    family = registry.load("models", model.model_name)
    if model.n_dimensions not in ("auto", data.spatial_dims):
        contradiction("n_dimensions", model.n_dimensions, f"the images have {data.spatial_dims} dimensions")
    elif data.spatial_dims not in family.spatial_dims:
        contradiction(
            "model_name", model.model_name, f"the images have {data.spatial_dims} dimensions, which it is not made for"
        )
    if model.n_channels not in ("auto", data.num_channels):
        detail = f"{len(data.column_channels)} CSV columns of {', '.join(map(str, data.column_channels))} channels"
        contradiction("n_channels", model.n_channels, f"the data has {data.num_channels} ({detail})")
    if model.tensor_shape != "auto" and len(model.tensor_shape) != data.spatial_dims:
        contradiction("tensor_shape", model.tensor_shape, f"the images have {data.spatial_dims} dimensions")
    final = _final_shape(config.data_preprocessing.train or [])
    whole = config.patch_sampler is None
    if (
        final
        and whole
        and model.required_shape(data.spatial_dims) is None
        and model.tensor_shape not in ("auto", final)
    ):
        contradiction(
            "tensor_shape", model.tensor_shape, f"data_preprocessing ends with the size {final}", "make them equal"
        )
    if model.labeling_paradigm in ("patient", "custom") and not train.labels:
        contradiction(
            "labeling_paradigm",
            model.labeling_paradigm,
            f"{train.path} has no Label column",
            "add the column with construct-csv, or use unlabeled",
        )
    embeds = getattr(model.architecture, "num_class_embeds", None)
    if embeds and model.labeling_paradigm != "unlabeled" and embeds <= len(train.labels):
        found = f"the data has {len(train.labels)} classes and one more is needed for none"
        problems.append(
            Problem(document.where(("model_config", "architecture", "num_class_embeds")), f"says {embeds}, but {found}")
        )
    return problems


def _sharding_contradictions(config: Config[Any], document: Document) -> list[Problem]:
    """Return what is written and needs the weights in one place, though the strategy shares them out."""
    model, written = config.model, config.model.model_fields_set
    asked = {
        ("model_config", "ema_decay"): "ema_decay" in written and model.ema_decay > 0,
        ("model_config", "save_eval_images_every_n_epochs"): model.save_eval_images_every_n_epochs not in ("auto", -1),
        ("sample_metrics_config",): config.sample_metrics_config is not None,
    }
    strategy = config.compute.strategy
    what = f"needs all weights in one process, and compute.strategy: {strategy} shares them out"
    return [
        Problem(document.where(key), what, fix="leave it out, or use strategy: ddp")
        for key, wanted in asked.items()
        if wanted and strategy in SHARDED
    ]
