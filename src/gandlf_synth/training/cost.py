"""What a training takes, computed from what its steps take; imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

_MINUTE, _HOUR = 60.0, 3600.0
_DEAREST = 4.0
"""How many times as long as a usual step one with every penalty takes at most: what takes longer was held up."""


@dataclass(frozen=True)
class StretchCost:
    """A part of a training in which all steps cost about the same.

    Args:
        share: of the training: of its time where the clock ends it, else of its steps.
        seconds_per_step: in this part.
    """

    share: float
    seconds_per_step: float


@dataclass(frozen=True)
class StageCost:
    """A model that is trained: the only one, or an autoencoder before another.

    Args:
        name: of the family.
        share: of the time of the whole run.
        batch_size: images in a step of the optimizer, accumulated ones together.
        stretches: what steps cost.
        seconds_per_image: of sampling images, some together.
        parameters: trainable weights.
        memory_mb: the largest memory that steps took, MiB: of the GPU, or of the process so far.
    """

    name: str
    share: float
    batch_size: int
    stretches: tuple[StretchCost, ...]
    seconds_per_image: float
    parameters: int
    memory_mb: float

    def steps_in(self, seconds: float) -> int:
        """Return the steps for which so many ``seconds`` are enough."""
        return int(sum(seconds * part.share / part.seconds_per_step for part in self.stretches))

    def seconds_of(self, steps: float) -> float:
        """Return the seconds that so many ``steps`` take."""
        return sum(steps * part.share * part.seconds_per_step for part in self.stretches)


@dataclass(frozen=True)
class Cost:
    """What the stages of a run cost.

    >>> part = StretchCost(1.0, 0.2)
    >>> Cost((StageCost("ddpm", 1.0, 8, (part,), 0.5, 700_000, 600.0),)).fewest_steps(240)
    1200
    """

    stages: tuple[StageCost, ...]

    @property
    def memory_mb(self) -> float:
        """The largest memory of any stage."""
        return max(stage.memory_mb for stage in self.stages)

    def fewest_steps(self, seconds: float) -> int:
        """Return the steps of the stage that gets fewest of them in a run of so many ``seconds``."""
        return min(stage.steps_in(seconds * stage.share) for stage in self.stages)


def seconds_of_step(measured: Sequence[float], work_cycle: int = 1) -> float:
    """Return what a training step takes where nothing else holds it up.

    Other programs that use the processor for a moment make single steps many times longer, never shorter, so that the
    short ones tell: the usual step is the first quartile.

    Args:
        measured: seconds of the first steps; the first of them also warms up, and has all penalties.
        work_cycle: steps after which the penalties fall together again.

    >>> seconds_of_step([2.0, 0.1, 11.0, 0.1])
    0.1
    >>> round(seconds_of_step([9.0, 0.1, 0.1, 0.1], work_cycle=4), 3)
    0.175
    """
    first, *rest = measured
    usual = sorted(rest)[len(rest) // 4]
    if work_cycle == 1:
        return usual
    bounded = [min(each, _DEAREST * usual) for each in (first, *rest)]
    if len(rest) >= work_cycle:
        return sum(bounded[1:]) / len(rest)
    return (bounded[0] + (work_cycle - 1) * usual) / work_cycle


def in_words(seconds: float) -> str:
    """Return a time in the unit that fits it.

    >>> in_words(8), in_words(90), in_words(7200)
    ('8 seconds', '1.5 minutes', '2.0 hours')
    """
    if seconds < _MINUTE:
        return f"{seconds:.0f} seconds"
    return f"{seconds / _MINUTE:.1f} minutes" if seconds < _HOUR else f"{seconds / _HOUR:.1f} hours"
