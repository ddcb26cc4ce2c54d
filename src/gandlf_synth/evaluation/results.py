"""What an evaluation found, as plain values that metrics.json holds and the report is made of."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gandlf_synth.metrics.intervals import Estimate

Outcome = Literal["good", "look", "bad", "unknown"]
Question = Literal["faithful", "diverse", "private", "useful"]


class Interval(BaseModel):
    """A number with its 95 % interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, estimate: Estimate) -> "Interval":
        """Return ``estimate`` as plain values."""
        return cls(value=estimate.value, low=estimate.low, high=estimate.high)


class Metric(BaseModel):
    """One number, what it was computed from, and what the same number is between real images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    question: Question
    better: Literal["lower", "higher", "middle"]
    value: Interval | None = None
    floor: Interval | None = None
    """The same between two halves of the real images that share no subject; what perfect synthetic images would get."""
    unit: str = ""
    num_real: int = 0
    num_synthetic: int = 0
    num_subjects: int = 0
    interval_method: str = ""
    extractor: str = ""
    """Name, weights and resize rule; empty where no extractor is used."""
    refused: str = ""
    """Why there is no number, and what to read instead."""
    note: str = ""


class Check(BaseModel):
    """One metric against its thresholds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    outcome: Outcome
    compared: float | None
    """The number that was compared: above the floor, or over the floor."""
    good: float
    bad: float
    sentence: str


class Verdict(BaseModel):
    """The answer to one question; the worst of its checks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Question
    outcome: Outcome
    sentence: str
    checks: list[Check] = []


class ClassRow(BaseModel):
    """How one class of the real images fares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    num_real: int
    num_synthetic: int | None
    """None where the synthetic images have no labels."""
    coverage: Interval
    floor: Interval


class CopyPair(BaseModel):
    """A synthetic image and the training image most like it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    synthetic: str
    training: str
    correlation: float
    ssim: float
    flip: str
    flagged: bool


class Evaluation(BaseModel):
    """Everything that an evaluation found; ``metrics.json``."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    command: str
    made: str
    """Local time, ISO 8601."""
    inputs: dict[str, dict[str, Any]]
    comparison: dict[str, Any]
    extractor: dict[str, Any]
    thresholds: dict[str, float]
    metrics: list[Metric]
    per_class: list[ClassRow]
    copies: list[CopyPair]
    verdicts: list[Verdict]
    notes: list[str]
    versions: dict[str, str]
    seconds: float
    peak_memory_mb: float
    run_record: dict[str, Any] | None = None

    def metric(self, name: str) -> Metric | None:
        """Return the metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)
