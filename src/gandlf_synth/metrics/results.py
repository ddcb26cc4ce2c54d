"""What set metrics give, as plain values: numbers with intervals, rows per class, pairs of images, checks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from gandlf_synth.geometry import Voxels
from gandlf_synth.metrics.intervals import Estimate

Outcome = Literal["good", "look", "bad", "unknown"]
Question = Literal["faithful", "diverse", "private", "useful"]
Better = Literal["lower", "higher", "middle"]


def _ends(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _with_ends(stored: object) -> object:
    """Return an estimate as it was stored, with nan for ends that it has not: JSON knows no nan."""
    if not isinstance(stored, dict):
        return stored
    return {name: math.nan if end is None else end for name, end in stored.items()}


Interval = Annotated[Estimate, PlainSerializer(_ends, return_type=dict[str, float]), BeforeValidator(_with_ends)]
"""An estimate that is stored without its method, which stands beside it; an interval that is missing is null."""


class Metric(BaseModel):
    """One number, what it was computed from, and what the same number is between real images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    question: Question
    better: Better
    value: Interval | None = None
    floor: Interval | None = None
    """The same between two halves of the real images that share no subject; what perfect synthetic images would get."""
    unit: str = ""
    num_real: int = 0
    num_synthetic: int = 0
    num_subjects: int = 0
    """Of the real images."""
    num_synthetic_subjects: int = 0
    interval_method: str = ""
    extractor: str = ""
    """Name, weights and resize rule; empty where no extractor is used."""
    refused: str = ""
    """Why there is no number, and what to read instead."""
    note: str = ""
    """What else a reader should know, in words."""
    details: dict[str, float] = {}
    """Further numbers, by name, such as the excess of fine detail in dB."""


class Check(BaseModel):
    """One metric against its thresholds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    outcome: Outcome
    compared: float | None
    """The number that was compared: the value itself, above the floor, or over the floor."""
    low: float | None = None
    """The lower end of its interval; None where it has none of its own."""
    high: float | None = None
    good: float
    bad: float
    sentence: str
    p_value: float | None = None
    """The chance of such a number if the truth were just good, before correction for several checks."""
    suffices: int = 0
    """About how many subjects of each set would tell; 0 where that is not what is missing."""
    told: bool = False
    """Whether a reader has to know the sentence of a good number, too, such as how many images look like copies."""


class ClassRow(BaseModel):
    """How well one class of the real images is covered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    num_real: int
    num_synthetic: int | None
    """None where the synthetic images have no labels."""
    coverage: Interval
    floor: Interval


class CopyPair(BaseModel):
    """A synthetic image, or a held-out real one, and the training image most like it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    synthetic: str
    """The file of the image, also of a held-out one."""
    training: str
    correlation: float
    """Of the pixels, under the flip and shifts of up to one pixel."""
    ssim: float
    flip: str
    flagged: bool
    turn: int = 0
    """What was done to the image's axes before the flip, as an index into ``TURNS``; 0: nothing."""
    likeness: float = 0.0
    """The correlation of the detail, after shift, rotation and zoom."""
    kind: str = ""
    """What was done to the training image, such as ``shifted by 4% of the side``."""
    second: str = ""
    """The other training image, if it is a mixture of two."""
    identical: bool = False
    """Whether the two are the same file or the same to the pixel."""
    held_out: bool = False
    """Whether this is a held-out real image, shown for comparison."""
    beyond: bool = False
    """Whether it is nearer than the nearest of many held-out images is expected to be."""


@dataclass(frozen=True)
class Measurement:
    """Everything that one set metric gives.

    Args:
        metrics: its numbers.
        per_class: rows of the table of classes.
        copies: the synthetic images most like a training image.
        columns: for ``images.csv``, one text per synthetic image, by the name of the column.
        arrays: what figures are drawn from, by name.
    """

    metrics: Sequence[Metric]
    per_class: Sequence[ClassRow] = ()
    copies: Sequence[CopyPair] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arrays: Mapping[str, Voxels] = field(default_factory=dict)
