"""What a run is expected to take, said before it begins; imports no torch."""

from dataclasses import dataclass
from math import ceil

from gandlf_synth.config import Config
from gandlf_synth.errors import counted
from gandlf_synth.training.cost import Cost, StageCost, in_words
from gandlf_synth.training.plan import PlannedRun

_FORWARD_SHARE = 0.4
"""Of the time of a training step, what looking at a batch takes without learning from it."""
_GRIDS = 10
"""That are drawn where they come by tenths of the run."""
_MOST_FOR_GRIDS = 0.2
"""The share of the time of a run that grids take at most: a tenth within it, and a tenth for the last."""
_FEWEST_STEPS = 50
"""After which the images of any family are more than noise."""
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
    steps = _by_the_clock(planned, cost.stages[-1], seconds)
    return Expectation(steps, _images_seen(planned, cost.stages[-1], steps), seconds, cost.memory_mb)


def _by_the_clock(planned: PlannedRun, stage: StageCost, seconds: float) -> int:
    """Return the steps of a stage in its share of a run, without the time of validation, grids and test."""
    config, samples = planned.plan.config, _samples(planned)
    step = 1 / sum(part.share / part.seconds_per_step for part in stage.stretches)
    per_epoch = ceil(samples["train"] / stage.batch_size)
    validation, test = (_checking(stage, step, samples.get(phase, 0)) for phase in ("val", "test"))
    grids = min(_grid_images(config, 1) * stage.seconds_per_image, _MOST_FOR_GRIDS * seconds)
    left = seconds * stage.share - grids - test
    steps = left / (step + validation / per_epoch)
    return max(1, int(steps if steps > per_epoch else (left - validation) / step))


def _checking(stage: StageCost, step: float, samples: int) -> float:
    """Return the seconds of looking at all ``samples`` of a split, where a training step takes ``step``."""
    return _FORWARD_SHARE * step * samples / stage.batch_size


def _images_seen(planned: PlannedRun, stage: StageCost, steps: int) -> int:
    """Return how many images so many steps see: an epoch ends with the last of them, however large batches are."""
    train = _samples(planned)["train"]
    return round(steps * train / ceil(train / stage.batch_size))


def _samples(planned: PlannedRun) -> dict[str, int]:
    """Return the images, or patches of them, in each split."""
    sampler = planned.plan.config.patch_sampler
    per_volume = sampler.patches_per_volume if sampler else 1
    return {phase: len(manifest.samples) * per_volume for phase, manifest in planned.splits.items()}


def too_few_steps(expected: Expectation | None, seconds: float | None, prepared: float = 0.0) -> list[str]:
    """Return what to say where so few steps fit into the time of a run that its images will be noise.

    Args:
        expected: what the run is expected to take.
        seconds: that are left of its time; None: it has no limit.
        prepared: seconds that preparation took.

    >>> too_few_steps(Expectation(3, 24, 2.0, 500.0), 2.0, 58.0)
    ['about 3 steps fit into the time: images will be noise; give more minutes (preparation took 58 seconds)']
    """
    if expected is None or seconds is None or expected.seconds < seconds or expected.steps >= _FEWEST_STEPS:
        return []
    took = f" (preparation took {in_words(prepared)})" if prepared > seconds else ""
    what = f"about {counted(expected.steps, 'step')} fit into the time: images will be noise"
    return [f"{what}; give more minutes{took}"]


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
    samples = _samples(planned)
    total, steps = 0.0, 0
    for stage, epochs in zip(cost.stages, _epochs(config, len(cost.stages)), strict=True):
        steps = ceil(samples["train"] / stage.batch_size) * epochs
        checks = _checking(stage, stage.seconds_of(1), samples.get("val", 0))
        total += stage.seconds_of(steps) + epochs * checks + _grid_images(config, epochs) * stage.seconds_per_image
    return Expectation(steps, _images_seen(planned, last, steps), total, cost.memory_mb)


def _epochs(config: Config, stages: int) -> list[int]:
    stage = config.model.prerequisite()
    return [config.num_epochs] if stage is None or stages == 1 else [stage.epochs(config.num_epochs), config.num_epochs]


def _grid_images(config: Config, epochs: int) -> int:
    """Return the images that are drawn in grids over the whole run."""
    every = config.model.save_eval_images_every_n_epochs
    if every == "tenth":
        return _GRIDS * config.model.n_fixed_images_to_generate
    return ceil(epochs / int(every)) * config.model.n_fixed_images_to_generate if int(every) > 0 else 0
