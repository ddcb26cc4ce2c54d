"""What a run takes from the model that it starts from: architecture, preprocessing, a lower learning rate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gandlf_synth.config import Document, LoadedConfig, ModelConfig, validate
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.config.phases import PHASES
from gandlf_synth.errors import ConfigError, Problem, raise_if_any
from gandlf_synth.training.defaults import Choice

if TYPE_CHECKING:
    from gandlf_synth.data.inspection.fingerprint import Fingerprint
    from gandlf_synth.pretrained.parent import Parent

Place = tuple[str, ...]
_WHOLE: Place = ("model_config",)
_FIRST_STAGE: Place = ("model_config", "first_stage")
_RATE_SHARE = 0.1
_WARMUP = 0.05
_SIZES_DIFFER = 1.3
"""Ratio of what images show in millimetres from which a person is told."""


@dataclass(frozen=True)
class Inheritance:
    """A configuration that starts from trained models, with what follows from them.

    Args:
        loaded: the configuration.
        parents: the trained models, by the section of the YAML that names each.
        choices: what was taken from them, with the reason.
        notes: what a person should know of them.
    """

    loaded: LoadedConfig
    parents: "Mapping[Place, Parent]" = field(default_factory=dict)
    choices: list[Choice[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def parent(self) -> "Parent | None":
        """The trained model that the whole model starts from; None where there is none."""
        return self.parents.get(_WHOLE)

    def size_notes(self, facts: "Fingerprint") -> Iterator[str]:
        """Yield that images show much more or less than those of a parent, to whose size the network is used."""
        for parent in self.parents.values():
            if parent.spec is None or not (parent.spec.physical and facts.physical):
                continue
            theirs = [size * step for size, step in zip(parent.spec.shape, parent.spec.geometry.spacing, strict=False)]
            pairs = list(zip(sorted(theirs), sorted(facts.largest_extent), strict=False))
            if any(max(pair) > _SIZES_DIFFER * min(pair) for pair in pairs):
                sizes = ["×".join(f"{length:.0f}" for length in one) for one in (theirs, facts.largest_extent)]
                yield (
                    f"images of {parent.name} cover {sizes[0]} mm, these {sizes[1]} mm: if preprocessing resizes both "
                    "to the same number of voxels, the network sees anatomy at another size than it has learned"
                )


def inherit(loaded: LoadedConfig) -> Inheritance:
    """Read the trained models that ``loaded`` starts from, and put in what follows from them.

    Raises:
        ConfigError: ``freeze`` or ``lora`` without a trained model, or keys that contradict it.
        CheckpointError: a trained model cannot be used.
    """
    raise_if_any(list(_without_parent(loaded)), ConfigError)
    sections = {_WHOLE: loaded.config.model, _FIRST_STAGE: getattr(loaded.config.model, "first_stage", None)}
    starting = {place: model for place, model in sections.items() if isinstance(model, ModelConfig) and model.init_from}
    if not starting:
        return Inheritance(loaded)
    from gandlf_synth.pretrained.parent import read_parent  # imports torch

    inheritance = Inheritance(loaded)
    parents: dict[Place, Parent] = {}
    for place, model in starting.items():
        if model.init_from is not None:
            parents[place] = read_parent(model.init_from, model.model_name)
            inheritance = _with_parent(inheritance, place, model, parents[place])
    return replace(inheritance, parents=parents, loaded=validate(inheritance.loaded.document))


def _without_parent(loaded: LoadedConfig) -> Iterator[Problem]:
    model, where = loaded.config.model, loaded.document.where
    if model.init_from is None:
        for key in ("freeze", "lora"):
            if getattr(model, key):
                what = "leaves weights as they are, and without init_from these are random"
                yield Problem(where(("model_config", key)), what, fix=f"add init_from, or leave {key} out")
    elif getattr(model, "controlnet_from", None) is not None:
        what = "trains a branch beside a model that stays as it is, and init_from trains the model"
        yield Problem(where(("model_config", "controlnet_from")), what, fix="leave one of them out")


def _with_parent(inheritance: Inheritance, place: Place, model: ModelConfig, parent: "Parent") -> Inheritance:
    document = inheritance.loaded.document
    raise_if_any(list(_contradictions(document, place, model, parent)), ConfigError)
    taken = {**_keys(document, place, model, parent), **_rates(model, parent)}
    choices = [Choice(".".join((*place, key)), value, reason) for key, (value, reason) in taken.items()]
    document = _put(document, place, {key: value for key, (value, _) in taken.items()})
    document, more, notes = _with_preprocessing(document, inheritance.loaded, parent)
    notes += [f"{parent.name} does not say {key}: the usual value is taken" for key in parent.assumed]
    loaded = replace(inheritance.loaded, document=document)
    return replace(
        inheritance, loaded=loaded, choices=[*inheritance.choices, *choices, *more], notes=[*inheritance.notes, *notes]
    )


def _keys(document: Document, place: Place, model: ModelConfig, parent: "Parent") -> dict[str, tuple[Any, str]]:
    """Return the keys of a section that follow from the parent, each with the reason."""
    written, usual = _section(document, place), model.model_dump(mode="json")
    taken: dict[str, tuple[Any, str]] = {}
    for key, value in parent.section.items():
        if key not in written and usual.get(key) == value:
            continue
        now = written.get(key, "auto")
        if isinstance(now, dict) and isinstance(value, dict):
            taken[key] = _merged(value, now), f"that of {parent.name}, changed where this configuration says so"
        elif now == "auto" and key != "tensor_shape":
            taken[key] = value, f"that of {parent.name}"
    shape = parent.section.get("tensor_shape")
    if shape and place == _WHOLE and written.get("tensor_shape", "auto") == "auto" and _takes_steps(document, parent):
        taken["tensor_shape"] = shape, f"that of {parent.name}"
    if hasattr(model, "first_stage_checkpoint") and parent.spec is not None and model.first_stage_checkpoint is None:
        taken["first_stage_checkpoint"] = parent.start.path, f"the autoencoder of {parent.name}"
    return taken


def _rates(model: ModelConfig, parent: "Parent") -> dict[str, tuple[Any, str]]:
    """Return optimizers with a tenth of the rate, and a warm-up, where none are written."""
    rates: dict[str, tuple[Any, str]] = {}
    if "optimizers" not in model.model_fields_set:
        usual = parent.optimizers or model.model_dump(mode="json", exclude_none=True)["optimizers"]
        share = 1.0 if model.lora is not None else _RATE_SHARE
        reason = (
            "the usual rate: what lora adds is new and has to learn from the beginning"
            if share == 1.0
            else "a tenth of the usual rate, because the weights are trained already"
        )
        rates["optimizers"] = _with_rate(usual, share), reason
    if "lr_warmup_fraction" not in model.model_fields_set and model.schedulers is None:
        rates["lr_warmup_fraction"] = _WARMUP, "a warm-up, because the optimizer knows nothing of the earlier training"
    return rates


def _with_rate(optimizers: Any, share: float) -> Any:
    if not isinstance(optimizers, Mapping):
        return optimizers
    return {
        key: float(f"{value * share:.6g}")
        if key == "lr" and isinstance(value, int | float)
        else _with_rate(value, share)
        for key, value in optimizers.items()
    }


def _takes_steps(document: Document, parent: "Parent") -> bool:
    return parent.preprocessing is not None and not document.content.get("data_preprocessing")


def _with_preprocessing(
    document: Document, loaded: LoadedConfig, parent: "Parent"
) -> tuple[Document, list[Choice[Any]], list[str]]:
    """Return the document with the parent's preprocessing where none is written, else how the two differ."""
    theirs = parent.preprocessing
    if theirs is None:
        return document, [], []
    steps = {phase: steps_as_written(theirs.of(phase) or []) for phase in PHASES}
    if not document.content.get("data_preprocessing"):
        content = {**document.content, "data_preprocessing": {phase: each for phase, each in steps.items() if each}}
        choice = Choice("data_preprocessing.train", steps["train"], f"that of {parent.name}")
        return replace(document, content=content), [choice], []
    own = steps_as_written(loaded.config.data_preprocessing.of("train") or [])
    if own == steps["train"]:
        return document, [], []
    lines = [f"- {step}" for step in steps["train"] if step not in own]
    lines += [f"+ {step}" for step in own if step not in steps["train"]]
    told = "; ".join(lines) or "another order"
    return document, [], [f"data_preprocessing is not that of {parent.name} (- only there, + only here): {told}"]


def _contradictions(document: Document, place: Place, model: ModelConfig, parent: "Parent") -> Iterator[Problem]:
    """Yield what is written and cannot be so with the weights of the parent."""
    written = _section(document, place)
    architecture = written.get("architecture", "auto")
    if isinstance(architecture, str) and architecture != "auto":
        what = f"is {architecture}, and the networks are those of {parent.name}"
        yield Problem(document.where((*place, "architecture")), what, fix="leave it out")
    for key in ("architecture", *getattr(model, "process_keys", ()), "second_stage", "first_stage"):
        theirs = parent.section.get(key)
        for path, own, before in _differences((key,), written.get(key), theirs):
            if ".".join(path) not in parent.assumed and path[-1] not in _FREE:
                what = f"is {own}, and {parent.name} was trained with {before}"
                fix = "leave it out, so that it follows from init_from"
                yield Problem(document.where((*place, *path)), what, fix=fix)


def _differences(path: Place, own: Any, theirs: Any) -> Iterator[tuple[Place, Any, Any]]:
    """Yield every value that is written and differs, with its place."""
    if isinstance(own, Mapping) and isinstance(theirs, Mapping):
        for key, value in own.items():
            yield from _differences((*path, key), value, theirs.get(key))
        return
    known = own not in (None, "auto") and theirs is not None and not isinstance(theirs, Mapping)
    if known and _as_list(own, theirs) != _as_list(theirs, own):
        yield path, own, theirs


def _as_list(value: Any, other: Any) -> Any:
    """Return one number for all resolutions as a number for each."""
    return [value] * len(other) if isinstance(other, list) and not isinstance(value, list) else value


_FREE = {
    "num_eval_timesteps", "activation_checkpointing", "cross_attention_dropout", "dropout", "upcast_attention",
    "sampler", "num_inference_steps", "guidance_scale", "guidance_interval", "guidance_rescale",
    "label_dropout_fraction", "clip_sample", "min_snr_gamma", "optimizers", "losses", "lr_warmup_fraction",
    "lr_cooldown_fraction", "probability",
}  # fmt: skip
"""Keys that change how a network is trained or used, and not what its weights mean."""


def _section(document: Document, place: Place) -> dict[str, Any]:
    section: Any = document.content
    for key in place:
        section = section.get(key) if isinstance(section, Mapping) else None
    return dict(section) if isinstance(section, Mapping) else {}


def _put(document: Document, place: Place, values: Mapping[str, Any]) -> Document:
    content = dict(document.content)
    inner = content
    for key in place:
        inner[key] = dict(inner.get(key) or {})
        inner = inner[key]
    inner.update({key: value.model_dump() if isinstance(value, BaseModel) else value for key, value in values.items()})
    return replace(document, content=content)


def _merged(theirs: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(theirs)
    for key, value in own.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
