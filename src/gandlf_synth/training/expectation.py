"""What a run is expected to take, said before it begins; imports no torch."""

from dataclasses import dataclass
from math import ceil

from gandlf_synth.config import Config
from gandlf_synth.training.cost import Cost, in_words
from gandlf_synth.training.plan import PlannedRun

_FORWARD_SHARE = 0.4
"""Of the time of a training step, what looking at a batch takes without learning from it."""
_GRIDS = 10
"""That are drawn where they come by tenths of the run."""
_NEARLY = 0.8
"""The share of its time of which a run is told that it uses less."""


@dataclass(frozen=True)
class Expectation:
    """What a run is expected to take.

    Args:
        steps: of the optimizer, of the last stage.
        images: that these steps see, each as often as it is seen.
        seconds: of training, with validation and grids.
        memory_mb: the largest memory, MiB: of the GPU, or of the process.
    """

    steps: int
    images: int
    seconds: float
    memory_mb: float

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.steps:,} steps, {self.images:,} images seen, {in_words(self.seconds)}, "
            f"{self.memory_mb:,.0f} MiB of memory"
        )


def expect(planned: PlannedRun, cost: Cost, seconds: float | None) -> Expectation:
    """Return what a run takes: until its epochs or, where that is sooner, its seconds are over.

    Args:
        planned: the run.
        cost: of its steps.
        seconds: that the run may take; None: as many epochs as the configuration says.
    """
    by_epochs = _by_epochs(planned, cost)
    if seconds is None or by_epochs.seconds < seconds:
        return by_epochs
    last = cost.stages[-1]
    steps = last.steps_in(seconds * last.share)
    return Expectation(steps, steps * last.batch_size, seconds, cost.memory_mb)


def unused_time(expected: Expectation | None, seconds: float | None, num_epochs: int) -> list[str]:
    """Return what to say where the epochs of a run are over long before the time that it was given.

    >>> unused_time(Expectation(450, 7200, 60.0, 500.0), 480.0, 30)
    ['num_epochs: 30 ends the run after about 1.0 minutes of its 8.0 minutes; without it the clock alone ends it']
    """
    if expected is None or seconds is None or expected.seconds > _NEARLY * seconds:
        return []
    used, given = in_words(expected.seconds), in_words(seconds)
    ends = f"num_epochs: {num_epochs} ends the run after about {used} of its {given}"
    return [f"{ends}; without it the clock alone ends it"]


def _by_epochs(planned: PlannedRun, cost: Cost) -> Expectation:
    config, last = planned.plan.config, cost.stages[-1]
    per_volume = config.patch_sampler.patches_per_volume if config.patch_sampler else 1
    samples = {phase: len(manifest.samples) * per_volume for phase, manifest in planned.splits.items()}
    total, steps = 0.0, 0
    for stage, epochs in zip(cost.stages, _epochs(config, len(cost.stages)), strict=True):
        steps = ceil(samples["train"] / stage.batch_size) * epochs
        checks = _FORWARD_SHARE * stage.seconds_of(1) * samples.get("val", 0) / stage.batch_size
        total += stage.seconds_of(steps) + epochs * checks + _grid_images(config, epochs) * stage.seconds_per_image
    return Expectation(steps, steps * last.batch_size, total, cost.memory_mb)


def _epochs(config: Config, stages: int) -> list[int]:
    stage = config.model.prerequisite()
    return [config.num_epochs] if stage is None or stages == 1 else [stage.epochs(config.num_epochs), config.num_epochs]


def _grid_images(config: Config, epochs: int) -> int:
    """Return the images that are drawn in grids over the whole run."""
    every = config.model.save_eval_images_every_n_epochs
    if every == "tenth":
        return _GRIDS * config.model.n_fixed_images_to_generate
    return ceil(epochs / int(every)) * config.model.n_fixed_images_to_generate if int(every) > 0 else 0
