"""What an evaluation found, as plain values that metrics.json holds and the report is made of."""

from pydantic import BaseModel, ConfigDict, JsonValue

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.metrics.results import Check, ClassRow, CopyPair, Metric, Outcome, Question


class Verdict(BaseModel):
    """The answer to one question; the worst of its checks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Question
    outcome: Outcome
    sentence: str
    checks: list[Check] = []


class Evaluation(BaseModel):
    """Everything that an evaluation found; ``metrics.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    command: str
    made: str
    """Local time, ISO 8601."""
    inputs: dict[str, dict[str, JsonValue]]
    comparison: dict[str, JsonValue]
    extractor: dict[str, JsonValue]
    thresholds: dict[str, float]
    metrics: list[Metric]
    per_class: list[ClassRow]
    copies: list[CopyPair]
    warnings: list[str] = []
    """What may leave every number without meaning; to be read before the verdicts."""
    causes: list[Cause] = []
    """What was recognized as wrong, the most fundamental first."""
    verdicts: list[Verdict]
    cautions: list[str] = []
    """What limits that which can be told; to be read with the verdicts."""
    facts: list[str] = []
    """How the images were read."""
    versions: dict[str, str]
    seconds: float
    peak_memory_mb: float
    run_record: dict[str, JsonValue] | None = None

    def metric(self, name: str) -> Metric | None:
        """Return the metric of that name, or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)
