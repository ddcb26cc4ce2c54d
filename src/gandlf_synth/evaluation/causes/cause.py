"""What a cause is: a flaw that accounts for what the measures see, with the sentences that follow from it."""

from pydantic import BaseModel, ConfigDict

from gandlf_synth.metrics.results import Check, Outcome, Question

FIDELITY = ("kid", "fid", "spectrum", "histogram", "texture", "precision", "density")
"""Measures that any difference of the whole set moves."""
VARIETY = ("recall", "coverage", "class_coverage", "ms_ssim", "duplicates")
"""Measures of variety that a difference of the whole set moves too, although nothing is missing."""


class Cause(BaseModel):
    """A flaw that was recognized."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Such as ``blur``."""
    question: Question
    """The card that it belongs to."""
    outcome: Outcome
    sentence: str
    """What is wrong, and how much, in plain words."""
    strength: float
    """What was compared, in the terms of the detector."""
    limit: float
    """From where on there is something to see."""
    bad_limit: float | None = None
    """From where on it is bad; None: as ``limit``."""
    explains: tuple[str, ...] = ()
    """Measures whose sentences follow from this cause and are not causes of their own."""
    images: tuple[str, ...] = ()
    """The files that it concerns, where it concerns a part of the set."""

    @property
    def check(self) -> Check:
        """The cause as a check of its card."""
        return Check(
            metric=self.name, outcome=self.outcome, compared=self.strength, good=self.limit,
            bad=self.limit if self.bad_limit is None else self.bad_limit, sentence=self.sentence,
        )  # fmt: skip
