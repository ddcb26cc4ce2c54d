"""Conditioners: what the rows of a CSV say that an image is made from, as numbers that a network takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.condition import UNKNOWN_CLASS, Condition, ConditionKind
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32
from gandlf_synth.data.processing.base import Parameters
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import ConfigError, DataError, Problem

ImagePart = Literal["image", "sources", "mask", "region"]
"""What a conditioner may look at of a row besides its text."""


class ConditionPart(BaseModel):
    """One part of the condition that a model was trained with; enough to encode new rows as it knows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """What the part is called in a ``Condition``."""
    conditioner: str
    """The registered name."""
    parameters: dict[str, JsonValue] = {}
    """As in the YAML."""
    kind: ConditionKind
    size: int
    """Classes, or numbers, or channels; without what says whether the part is known."""
    drop_fraction: float = 0.0
    """The share of the training images from which the part is hidden."""
    facts: dict[str, JsonValue] = {}
    """What the conditioner keeps of the training rows."""
    painted: bool = False
    """Whether it is made of the images of a row, not of its text."""
    optional: bool = True
    """Whether the model learned to do without it."""
    images: tuple[int, ...] = ()
    """Of kind ``channels``: how many channels each image has that comes first; those after them are maps."""

    @property
    def width(self) -> int:
        """The features or channels that a network gets: one more than ``size``, which says whether they are known."""
        return self.size + 1


class Conditioner(Parameters, ABC):
    """One thing that an image is made from, registered in the group ``conditioners``.

    The fields are the parameters in the YAML, under ``model_config.conditioning``. A conditioner learns what it must
    know from the training rows (``fit``), and turns a row into numbers (``encode``). It is written once: preparing,
    batching, hiding in training, sampling and the record follow from it.
    """

    kind: ClassVar[ConditionKind]
    """How networks take it."""

    needs: ClassVar[str] = "a value in every row"
    """What a row has to have, for messages."""

    drop_fraction: float = Field(0.1, ge=0, lt=1)
    """The share of the training images from which it is hidden, so that the model also learns without it."""

    @property
    def part_name(self) -> str:
        """What the part is called; two conditioners of one model need different names."""
        return str(getattr(self, "column", type(self).__name__))

    @property
    def cell(self) -> str:
        """The column that it reads, for messages; nothing where it reads none or several."""
        return str(getattr(self, "column", ""))

    def recorded(self, sample: Sample) -> str:
        """Return what of a row decides what it gives, for the record of a run; images are on record already."""
        return sample.extra.get(self.cell, "")

    def check(self, sample: Sample, scans: Scans, facts: Mapping[str, JsonValue] | None = None) -> str:
        """Return why a row cannot be used, nothing where it can.

        Rows are asked about before a training begins, first without ``facts`` and then, those of validation and test
        too, with them, and whenever a trained model is given rows.

        Args:
            sample: the row.
            scans: what is known of its files.
            facts: what ``fit`` returned; None: it has not learned from the training rows yet.
        """
        return ""

    def says(self, sample: Sample) -> bool:
        """Return whether a row has what it reads."""
        return bool(sample.named_files.get(self.cell) or sample.extra.get(self.cell))

    def teaches(self, sample: Sample) -> bool:
        """Return whether there is something to learn from in a training row."""
        return self.says(sample)

    def rows_that_say(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return ``says`` of every row, ``(rows,)``; override it with ``says`` where the table knows at once."""
        return np.fromiter(map(self.says, manifest.samples), bool, len(manifest.samples))

    def rows_that_teach(self, manifest: Manifest) -> NDArray[np.bool_]:
        """Return ``teaches`` of every row, ``(rows,)``."""
        if type(self).teaches is Conditioner.teaches:
            return self.rows_that_say(manifest)
        return np.fromiter(map(self.teaches, manifest.samples), bool, len(manifest.samples))

    def rows_to_check(self, manifest: Manifest) -> Iterable[Sequence[Sample]]:
        """Yield the rows that ``check`` looks at, those together of which it says the same; each alone by default."""
        if type(self).check is Conditioner.check:
            return ()
        return ([sample] for sample in manifest.samples)

    def learns_without(self, train: Manifest) -> bool:
        """Return whether a model that is trained on ``train`` learns what to do where a row does not say."""
        return self.drop_fraction > 0 or not self.rows_that_say(train).all()

    def inputs(self, facts: Mapping[str, JsonValue]) -> Sequence[CellInput]:
        """Return what a person is asked for: the text of its column, unless overridden.

        Channel columns are not among them: whoever asks knows from ``reads`` that they are needed.
        """
        return [CellInput(column=self.cell)] if self.cell else []

    def warn(self, sample: Sample, facts: Mapping[str, JsonValue]) -> str:
        """Return what a person should know of what a trained model makes of a row, mostly nothing."""
        return ""

    @abstractmethod
    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Return the size of the part and what has to be kept of the training rows.

        Raises:
            DataError: every row that cannot be used.
        """

    @abstractmethod
    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> int | Sequence[float] | None:
        """Return a row's class index or its numbers; None where the row does not say.

        Args:
            sample: the row; ``sample.extra`` has the columns that have no meaning of their own.
            facts: what ``fit`` returned.
        """


class ImageConditioner(Conditioner):
    """A conditioner that looks at the images of a row instead of its text: sources, mask, region, the image itself.

    ``paint`` takes the place of ``encode``. It is called for every sample of every batch, after the augmentation.
    """

    drop_fraction: float = Field(0.0, ge=0, lt=1)
    """The share of the training images from which it is hidden, so that the model also learns without it."""

    reads: ClassVar[frozenset[ImagePart]]
    """What it looks at."""

    @abstractmethod
    def fit_images(self, train: Manifest, data: Fingerprint) -> tuple[int, dict[str, JsonValue]]:
        """Return the size of the part and what has to be kept of the training images.

        Args:
            train: the training rows.
            data: facts of the images.

        Raises:
            DataError: the data has not what the conditioner needs.
        """

    @abstractmethod
    def paint(
        self, images: SampleImages, facts: Mapping[str, JsonValue], rng: np.random.Generator | None
    ) -> Voxels32 | None:
        """Return what the network gets of a sample: ``(size, *shape)``, or ``(size,)`` of kind ``vector``.

        None where the sample does not say.

        Args:
            images: the sample.
            facts: what ``fit_images`` returned.
            rng: decides what is random in training and validation; None where a trained model is used, which takes
                the sample as it is.
        """

    def images_in(self, size: int, facts: Mapping[str, JsonValue]) -> Sequence[int]:
        """Return how many of the first channels make up each image, in order: none, unless overridden.

        Where a model works on latents, the autoencoder encodes them, and what comes after them is averaged.

        Args:
            size: channels of the part.
            facts: what ``fit_images`` returned.
        """
        return ()

    def pictures(self, painted: Voxels32, facts: Mapping[str, JsonValue]) -> Sequence[Voxels32]:
        """Return what a person is shown of what was painted, each ``(*shape)`` in [-1, 1]: as it is, unless overridden.

        Args:
            painted: ``(size, *shape)``.
            facts: what ``fit_images`` returned.
        """
        return list(painted)

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Refuse: see ``fit_images``."""
        raise TypeError(f"{type(self).__name__} learns from images, not from rows")

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> int | Sequence[float] | None:
        """Return None: what it gives is painted."""
        return None


class ClassLabel(Conditioner):
    """The class in the CSV's ``Label`` column; what ``labeling_paradigm`` is the short form of."""

    kind = "class"

    @property
    def part_name(self) -> str:
        """``class``."""
        return "class"

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        """Return the number of classes, and the labels in the order of their indices.

        Raises:
            DataError: there are no labels.
        """
        if not train.labels:
            what = "has no Label column, and the model is conditioned on the class"
            raise DataError(Problem(str(train.path), what, fix="add Label, or leave class out of conditioning"))
        return len(train.labels), {"labels": list(train.labels)}

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> int | None:
        """Return the index of the row's label."""
        labels = facts["labels"]
        if not isinstance(labels, list) or sample.label not in labels:
            return None
        return labels.index(sample.label)


def class_part(labels: Sequence[int]) -> ConditionPart:
    """Return the part of models that know the classes ``labels``.

    Example:
        >>> class_part([3, 5]).size
        2
    """
    facts: dict[str, JsonValue] = {"labels": list(labels)}
    return ConditionPart(name="class", conditioner="class", kind="class", size=len(labels), facts=facts)


def network_sizes(parts: Sequence[ConditionPart]) -> dict[str, int]:
    """Return what a network has to know of its condition: ``num_classes``, ``vector_size``, ``condition_channels``.

    Example:
        >>> network_sizes([class_part([0, 1])])
        {'num_classes': 2, 'vector_size': 0, 'condition_channels': 0}
    """
    widths = {kind: sum(part.width for part in parts if part.kind == kind) for kind in ("vector", "channels")}
    num_classes = sum(part.size for part in parts if part.kind == "class")
    return {"num_classes": num_classes, "vector_size": widths["vector"], "condition_channels": widths["channels"]}


def fit_conditioners(
    steps: Sequence[Step], train: Manifest, data: Fingerprint | None = None
) -> tuple[ConditionPart, ...]:
    """Return the parts that ``model_config.conditioning`` asks for, as the training data has them.

    Args:
        steps: the conditioners.
        train: the training rows.
        data: facts of the images; conditioners that only read rows do without.

    Raises:
        ConfigError: two parts have one name.
        DataError: a row cannot be used.
    """
    parts: dict[str, ConditionPart] = {}
    for step in steps:
        conditioner = build_conditioner(step.name, step.parameters)
        painted = isinstance(conditioner, ImageConditioner)
        if isinstance(conditioner, ImageConditioner):
            if data is None:
                raise TypeError(f"{step.name} needs the facts of the images")
            size, facts = conditioner.fit_images(train, data)
            images = tuple(conditioner.images_in(size, facts))
        else:
            (size, facts), images = conditioner.fit(train), ()
        name = conditioner.part_name
        if name in parts:
            raise ConfigError(Problem("model_config.conditioning", f"has two parts called {name!r}", fix="keep one"))
        parts[name] = ConditionPart(
            name=name, conditioner=step.name, parameters=conditioner.model_dump(mode="json", exclude_unset=True),
            kind=conditioner.kind, size=size, drop_fraction=conditioner.drop_fraction, facts=facts, painted=painted,
            optional=conditioner.learns_without(train), images=images,
        )  # fmt: skip
    return tuple(parts.values())


def build_conditioner(name: str, parameters: object = None) -> Conditioner:
    """Return the conditioner that is registered as ``name``; its parameters were checked with the configuration.

    Raises:
        ConfigError: the name is unknown.
    """
    component: type[Conditioner] = registry.load("conditioners", name)
    return component.model_validate(parameters)


def encode_rows(samples: Sequence[Sample], parts: Sequence[ConditionPart]) -> Condition:
    """Return what the text of ``samples`` says, in the order of ``parts``; ``Painter`` makes those of images."""
    return Condition({part.name: _encode_part(samples, part) for part in parts if not part.painted})


def images_read(parts: Sequence[ConditionPart]) -> frozenset[ImagePart]:
    """Return what the conditioners of a model look at besides the text of rows."""
    conditioners = [build_conditioner(part.conditioner, part.parameters) for part in parts]
    return frozenset(name for one in conditioners if isinstance(one, ImageConditioner) for name in one.reads)


def _encode_part(samples: Sequence[Sample], part: ConditionPart) -> Tensor:
    conditioner = build_conditioner(part.conditioner, part.parameters)
    values = [conditioner.encode(sample, part.facts) for sample in samples]
    if part.kind == "class":
        return torch.tensor([UNKNOWN_CLASS if value is None else value for value in values], dtype=torch.long)
    rows = [[0.0] * part.width if value is None else [*_numbers(value), 1.0] for value in values]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(samples), part.width)


def _numbers(value: int | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, Sequence) else (float(value),)


def complete(condition: Condition, parts: Sequence[ConditionPart], count: int, shape: Sequence[int] = ()) -> Condition:
    """Return ``condition`` of ``count`` images with every part that a network of ``parts`` takes, unknown where absent.

    Classes are left out where there are none: networks know what to do then.

    Args:
        condition: the parts that are known.
        parts: those that the network takes.
        count: images.
        shape: voxels along each axis, for the parts that are images.

    Example:
        >>> age = ConditionPart(name="age", conditioner="number", kind="vector", size=1)
        >>> complete(Condition(), [age], 2)["age"].tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    filled: dict[str, Tensor] = {}
    for part in parts:
        if part.name in condition:
            filled[part.name] = condition[part.name]
        elif part.kind == "vector":
            filled[part.name] = torch.zeros(count, part.width)
        elif part.kind == "channels":
            filled[part.name] = torch.zeros(count, part.width, *shape)
    return Condition(filled)
