"""Which size of networks a run gets: enough steps come first, width comes with what time is left; imports no torch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil

from gandlf_synth.config import SIZES, Config, Size, resolved
from gandlf_synth.errors import ResourceError
from gandlf_synth.training.cost import Cost, in_words

_WIDEST: dict[tuple[bool, int], Size] = {(False, 2): "S", (False, 3): "S", (True, 2): "L", (True, 3): "L"}
"""By whether a GPU trains, and dimensions: what trains in reasonable time where no limit to it is known."""
_MOST_MEMORY = 0.85
"""The share of a GPU's memory that steps may take: validation and sampling need some, too."""

_TRIALS, _WORTH_A_SECOND = 2, 120.0
"""Trials of a size before wider ones are given up, in runs of so many seconds and more."""
_MOST_FOR_TRIALS = 0.15
"""The share of a run's time after which no further trial is begun: on a busy machine each takes long."""
_USUAL_BATCH = 8
"""Images in a batch for which families say how many steps are enough."""

Measure = Callable[[Config], Cost]
"""Tries a few steps of a resolved configuration."""


@dataclass(frozen=True)
class Budget:
    """The time of a run.

    Args:
        seconds: of training; None: as many epochs as the configuration says.
        measure: tries a few steps; None: nothing is measured.
    """

    seconds: float | None = None
    measure: Measure | None = None


@dataclass(frozen=True)
class SizeChoice:
    """A size, why, and what it costs where that was measured."""

    size: Size
    reason: str = ""
    cost: Cost | None = None


@dataclass(frozen=True)
class BatchChoice:
    """Images in a batch, and batches in a step of the optimizer, that the memory allows; and why."""

    size: int
    accumulated: int
    reason: str


@dataclass(frozen=True)
class Networks:
    """What was chosen: nothing where networks are written, no batch where memory has no say."""

    size: SizeChoice | None = None
    batch: BatchChoice | None = None


Resolve = Callable[[Networks], Config]
"""Makes every other choice of a run."""


def choose_networks(
    config: Config, resolve: Resolve, budget: Budget, *, samples: int, dims: int, gpu_memory: int | None
) -> Networks:
    """Return networks for data, device and time.

    Args:
        config: as written.
        resolve: makes every other choice.
        budget: the time of the run.
        samples: training images.
        dims: spatial dimensions.
        gpu_memory: bytes; None without a GPU.

    Raises:
        ResourceError: not even one image fits into the memory.
    """
    written, enough = config.model.network_size, config.model.enough_steps
    trials = _Trials(resolve, budget.measure, gpu_memory if config.batch_size == "auto" else None)
    if written is None:
        return Networks(None, trials.of(None).batch if trials.limits_memory else None)
    if written != "auto":
        chosen = SizeChoice(written, f"{written}: as written")
    elif budget.seconds is not None and budget.measure is not None:
        seconds = budget.seconds
        chosen = size_for_time(seconds, enough, lambda size: trials.better_of(size, seconds).cost)
    else:
        thinnest = resolve(Networks(SizeChoice(SIZES[0])))
        batch = resolved(thinnest.batch_size)
        steps = ceil(samples / batch) * thinnest.num_epochs
        chosen = size_for_steps(steps, enough_with(batch, enough), on_gpu=gpu_memory is not None, dims=dims)
    if budget.measure is None:
        return Networks(chosen)
    trial = trials.of(chosen.size)
    return Networks(SizeChoice(chosen.size, chosen.reason, trial.cost), trial.batch)


@dataclass(frozen=True)
class _Trial:
    cost: Cost
    batch: BatchChoice | None = None


@dataclass(frozen=True)
class _Trials:
    """Tries sizes, each once."""

    resolve: Resolve
    measure: Measure | None
    gpu_memory: int | None
    known: dict[Size | None, _Trial] = field(default_factory=dict)

    @property
    def limits_memory(self) -> bool:
        return self.gpu_memory is not None and self.measure is not None

    def of(self, size: Size | None) -> _Trial:
        if size not in self.known:
            self.known[size] = self._try(self._resolved(size))
        return self.known[size]

    def better_of(self, size: Size | None, seconds: float) -> _Trial:
        """Try a size again, and return the trial with more steps in so many ``seconds`` of those made so far."""
        trial, known = self._try(self._resolved(size)), self.known.get(size)
        if known is None or trial.cost.fewest_steps(seconds) > known.cost.fewest_steps(seconds):
            self.known[size] = trial
        return self.known[size]

    def _resolved(self, size: Size | None) -> Config:
        return self.resolve(Networks(SizeChoice(size) if size else None))

    def _try(self, config: Config) -> _Trial:
        if self.measure is None:
            raise ValueError("nothing can be tried without a measure")
        if self.gpu_memory is None:
            return _Trial(self.measure(config))
        return _fit_memory(config, self.measure, self.gpu_memory)


def _fit_memory(config: Config, measure: Measure, memory: int) -> _Trial:
    """Return the cost of the largest batch, from the one of ``config`` downwards, that fits into ``memory``."""
    wanted, limit = resolved(config.batch_size), _MOST_MEMORY * memory / 2**20
    fewest = min(wanted, config.model.smallest_batch)
    size = wanted
    while True:
        accumulated = ceil(fewest / size)
        try:
            cost = measure(_with_batch(config, size, accumulated))
        except ResourceError:
            if size == 1:
                raise
        else:
            if cost.memory_mb <= limit or size == 1:
                taken = f"{cost.memory_mb:,.0f} of {memory / 2**20:,.0f} MiB"
                sums = f"; {accumulated} batches are added up for a step" if accumulated > 1 else ""
                return _Trial(
                    cost, BatchChoice(size, accumulated, f"measured: takes {taken} of the GPU's memory{sums}")
                )
        size //= 2


def _with_batch(config: Config, size: int, accumulated: int) -> Config:
    model = config.model
    if accumulated > model.accumulate_grad_batches:
        model = model.model_copy(update={"accumulate_grad_batches": accumulated})
    first = getattr(model, "first_stage_batch_size", None)
    if isinstance(first, int):
        model = model.model_copy(update={"first_stage_batch_size": max(1, first * size // resolved(config.batch_size))})
    return config.model_copy(update={"model": model, "batch_size": size})


def enough_with(batch_size: int, enough: Mapping[Size, int]) -> dict[Size, int]:
    """Return the steps that are ``enough`` with batches of another size than 8: with four times as many images, half.

    >>> enough_with(32, {"S": 1_500})
    {'S': 750}
    """
    return {size: round(steps * (_USUAL_BATCH / batch_size) ** 0.5) for size, steps in enough.items()}


def size_for_steps(steps: int, enough: Mapping[Size, int], *, on_gpu: bool, dims: int) -> SizeChoice:
    """Return the widest networks for which so many ``steps`` are enough.

    Args:
        steps: of the run.
        enough: steps from which a size is better than thinner ones.
        on_gpu: whether a GPU trains.
        dims: spatial dimensions.

    >>> size_for_steps(2_000, {"S": 1_500, "M": 4_000, "L": 15_000}, on_gpu=True, dims=2).size
    'S'
    """
    widest = _WIDEST[on_gpu, dims]
    sizes = SIZES[: SIZES.index(widest) + 1]
    size = next((each for each in reversed(sizes) if steps >= enough.get(each, 0)), SIZES[0])
    if size == widest:
        device = "GPU" if on_gpu else "CPU"
        return SizeChoice(size, f"{size}: the widest that a {device} trains in good time; {steps:,} steps are enough")
    return SizeChoice(size, f"{size}: {steps:,} steps{_next(size, enough)}")


def size_for_time(
    seconds: float,
    enough: Mapping[Size, int],
    measure: Callable[[Size], Cost],
    clock: Callable[[], float] = time.monotonic,
) -> SizeChoice:
    """Return the widest networks that get enough steps in so many ``seconds``, trying thin ones first.

    Wider ones are given up only after a second trial: a program that began to work beside the first may be done.

    Args:
        seconds: of training.
        enough: steps from which a size is better than thinner ones, with batches of 8.
        measure: tries a few steps of a size; asked again, it returns the better of both trials.
        clock: seconds that pass during trials.
    """
    tried: dict[Size, int] = {}
    chosen, needs = SIZES[0], dict(enough)
    until = clock() + _MOST_FOR_TRIALS * seconds
    for size, wider in zip(SIZES, (*SIZES[1:], None), strict=True):
        for _ in range(_TRIALS if seconds >= _WORTH_A_SECOND else 1):
            cost = measure(size)
            tried[size] = cost.fewest_steps(seconds)
            needs = enough_with(cost.stages[-1].batch_size, enough)
            goes_on = tried[size] >= max(needs.get(size, 0), needs.get(wider, 0) if wider else 0)
            if goes_on or clock() > until:
                break
        if tried[size] >= needs.get(size, 0):
            chosen = size
        if not goes_on or clock() > until:
            break  # wider networks take fewer steps still, and longer trials
    figures = ", ".join(f"{size} takes {steps:,} steps" for size, steps in tried.items())
    late = "; no time for trials of wider ones" if goes_on and size != SIZES[-1] else ""
    return SizeChoice(
        chosen, f"{chosen}: measured here, in {in_words(seconds)} {figures}{late or _next(chosen, needs)}"
    )


def _next(size: Size, enough: Mapping[Size, int]) -> str:
    wider = SIZES[SIZES.index(size) + 1 :][:1]
    return "".join(f"; {each} needs {enough[each]:,} to be better" for each in wider)
