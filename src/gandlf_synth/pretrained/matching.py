"""Which weights of a parent go where, by name and shape; what is new, and what is left over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, Problem, counted, listing, raise_if_any
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.components.diffusion_config import LabeledAugmentationSettings
from gandlf_synth.models.components.labeled_augmentation import augmentation_parts
from gandlf_synth.networks.lora import plain_name, without_changes
from gandlf_synth.pretrained.class_rows import class_tables, rows_by_class
from gandlf_synth.pretrained.parent import Parent

_ALONE, _BESIDE_NUMBERS = ".class_embedding.", ".class_embedding.classes."
"""What the table of classes is called in a U-Net without numbers as conditions, and with them."""
_NUMBERS_IN, _NUMBERS_OUT = ".class_embedding.numbers.0.weight", ".class_embedding.numbers.2."
_SHOWN = 6


@dataclass
class Match:
    """Where the weights of a parent go.

    Args:
        values: what the model gets, by its plain names; new weights are there only where they have to be zero.
        loaded: names of weights that the parent gives, entirely or in part.
        widened: those of them that have more inputs than in the parent, which begin at zero.
        with_new_classes: those of them that have rows for classes which the parent lacks.
        new: names of weights that the parent does not give.
        left_over: names of weights of the parent that have no place.
        unfit: what has another size in the parent, with both sizes.
        notes: what a person should know.
    """

    values: dict[str, Tensor] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    widened: list[str] = field(default_factory=list)
    with_new_classes: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: Tensor) -> None:
        """Let the model have ``value`` of the parent as its weight ``name``."""
        self.values[name] = value
        self.loaded.append(name)


def match_weights(parent: Parent, module: GenerativeModule, later: Sequence[str] = ()) -> Match:
    """Return which weights of ``parent`` go where in ``module``; nothing is changed.

    Args:
        parent: the trained model.
        module: the model to train.
        later: beginnings of the names of weights that come from elsewhere, such as a first stage.

    Raises:
        CheckpointError: sizes contradict each other, classes or conditions cannot be matched, or something is left
            over, unless ``partial`` allows it; or nothing fits.
    """
    _check_images(parent, module)
    own = without_changes(module.state_dict())
    given = _under_own_names(parent.weights, own)
    tables = {plain_name(name): row for name, row in class_tables(module).items()}
    buffers = {name for name, _ in module.named_buffers()}
    match = Match()
    for name, value in own.items():
        theirs = given.pop(name, None)
        if theirs is not None and name in tables:
            theirs = _with_own_classes(match, name, theirs, value, tables[name], parent, module)
        if theirs is not None:
            _place(match, name, theirs, value, is_buffer=name in buffers)
        elif not name.startswith(tuple(later)):
            _begin_new(match, name, value, is_table=name in tables)
    match.left_over += given
    match.notes += _class_notes(parent, module, bool(tables))
    raise_if_any(list(_refusals(parent, module, match)), CheckpointError)
    return match


def _check_images(parent: Parent, module: GenerativeModule) -> None:
    """Refuse a parent of images with other dimensions or channels.

    Raises:
        CheckpointError: see above.
    """
    where, spec = f"init_from {parent.name}", module.spec
    dims = max(value.ndim for value in parent.weights.values()) - 2
    if dims in (2, 3) and dims != spec.spatial_dims:
        what = f"was trained on images of {dims} dimensions, and these have {spec.spatial_dims}"
        raise CheckpointError(Problem(where, what))
    theirs = parent.spec.num_channels if parent.spec is not None else spec.num_channels
    if theirs != spec.num_channels and not parent.start.partial:
        what = f"was trained on images of {counted(theirs, 'channel')}, and these have {spec.num_channels}"
        raise CheckpointError(Problem(where, what, fix="give as many channels, or init_from: {path: …, partial: true}"))


def load_match(match: Match, module: GenerativeModule) -> None:
    """Put the weights of ``match`` into ``module``."""
    own = {plain_name(name): tensor for name, tensor in module.state_dict(keep_vars=True).items()}
    with torch.no_grad():
        for name, value in match.values.items():
            own[name].copy_(value)


def _under_own_names(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` with the table of classes called as in the model, which depends on its other conditions."""
    named = {}
    for name, value in weights.items():
        beside = name.replace(_ALONE, _BESIDE_NUMBERS)
        alone = name.replace(_BESIDE_NUMBERS, _ALONE)
        named[next((each for each in (name, beside, alone) if each in own), name)] = value
    return named


def _place(match: Match, name: str, theirs: Tensor, own: Tensor, *, is_buffer: bool) -> None:
    """Take down a weight that parent and model have."""
    if theirs.shape == own.shape:
        match.add(name, theirs.to(own.dtype))
    elif _has_more_inputs(theirs, own, name):
        match.add(name, _widened(theirs, own))
        match.widened.append(name)
    else:
        match.new.append(name)
        if not is_buffer:  # what was counted or measured on data of another size is measured anew
            match.unfit.append(f"{name} is {_size(theirs)} there and {_size(own)} here")
            match.left_over.append(name)


def _begin_new(match: Match, name: str, value: Tensor, *, is_table: bool) -> None:
    """Take down a weight that the parent lacks; those of new conditions begin at zero, and so change no output."""
    match.new.append(name)
    if (is_table and ".class_embedding." in name) or _NUMBERS_OUT in name:
        match.values[name] = torch.zeros_like(value)


def _has_more_inputs(theirs: Tensor, own: Tensor, name: str) -> bool:
    convolution = own.ndim >= 4 and theirs.ndim == own.ndim and theirs.shape[2:] == own.shape[2:]
    rows = name.endswith(_NUMBERS_IN) and theirs.ndim == own.ndim
    return (convolution or rows) and theirs.shape[0] == own.shape[0] and theirs.shape[1] < own.shape[1]


def _widened(theirs: Tensor, own: Tensor) -> Tensor:
    wide = torch.zeros_like(own)
    wide[:, : theirs.shape[1]] = theirs
    return wide


def _with_own_classes(
    match: Match, name: str, theirs: Tensor, own: Tensor, first: int, parent: Parent, module: GenerativeModule
) -> Tensor | None:
    """Return the parent's rows where the model has its classes; None, and left over, where they cannot be known."""
    if parent.spec is not None:
        if set(module.spec.class_names) - set(parent.spec.class_names):
            match.with_new_classes.append(name)
        rows = rows_by_class(theirs, own, first, parent.spec.class_names, module.spec.class_names)
        return theirs if rows is None else rows
    match.left_over.append(name)
    return None


def _class_notes(parent: Parent, module: GenerativeModule, has_tables: bool) -> Iterator[str]:
    if parent.spec is None or not has_tables or not (parent.spec.class_names or module.spec.class_names):
        return
    theirs, own = parent.spec.class_names, module.spec.class_names
    kinds = {
        "known": [name for name in own if name in theirs],
        "new": [name for name in own if name not in theirs],
        "not used": [name for name in theirs if name not in own],
    }
    told = "; ".join(f"{kind}: {listing(names)}" for kind, names in kinds.items() if names)
    yield f"classes, matched by name: {told}"


def _other_conditions(parent: Parent, module: GenerativeModule) -> Iterator[Problem]:
    """Yield that images or numbers of one meaning would take the place of those of another."""
    if parent.spec is None:
        return
    for kind, word in (("channels", "images"), ("vector", "numbers")):
        theirs = _kinds(_parts(parent.spec, parent.section), kind)
        own = _kinds(_parts(module.spec, dict(module.config)), kind)
        if own[: len(theirs)] != theirs:
            names = [listing(f"{name} ({size})" for name, size in parts) or "none" for parts in (theirs, own)]
            what = f"is conditioned on {word} in the order {names[0]}, and conditioning gives {names[1]}"
            fix = "write the parent's conditions first, in its order, or init_from: {partial: true}"
            yield Problem(f"init_from {parent.name}", what, fix=fix)


def _parts(spec: DataSpec, section: Mapping[str, Any]) -> list[ConditionPart]:
    """Return what a network of ``section`` is told of its images, in its order, but for the class."""
    told = section.get("labeled_augmentation")
    settings = LabeledAugmentationSettings.model_validate(told) if isinstance(told, Mapping) else told
    return [*spec.conditions, *augmentation_parts(settings, spec.spatial_dims)]


def _kinds(parts: Sequence[ConditionPart], kind: str) -> list[tuple[str, int]]:
    return [(part.name, part.size) for part in parts if part.kind == kind]


def _refusals(parent: Parent, module: GenerativeModule, match: Match) -> Iterator[Problem]:
    where = f"init_from {parent.name}"
    if not match.loaded:
        yield Problem(
            where,
            "has no weight of a name and size that this model has",
            fix="use the architecture that it was trained with",
        )
    if parent.start.partial:
        return
    yield from _other_conditions(parent, module)
    if match.unfit:
        what = f"has another architecture: {listing(match.unfit, _SHOWN)}"
        fix = "leave architecture and the keys beside it out, so that they follow from it, or use {partial: true}"
        yield Problem(where, what, fix=fix)
    elif match.left_over:
        count = counted(len(match.left_over), "weight")
        what = f"has {count} that this model has no place for: {listing(match.left_over, _SHOWN)}"
        yield Problem(where, what, fix="use the parent's configuration, or init_from: {path: …, partial: true}")


def _size(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "a number"
