"""The conformance kit of set metrics: numbers that compare a set of synthetic images with real ones."""

from gandlf_synth import registry
from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import MeasureSettings, SetMetric
from gandlf_synth.testing.image_sets import Kind, few_image_sets, image_sets, volume_sets
from gandlf_synth.testing.promises import Promises, seen_unless

_WRONG: tuple[Kind, ...] = ("noise", "repeated", "copied")
_SETTINGS = MeasureSettings(seed=0, extractor="random-conv")


def check_set_metric(name: str) -> None:
    """Check a registered set metric.

    Args:
        name: the registered name.

    Raises:
        PluginError: every promise that the metric breaks.

    Example:
        >>> check_set_metric("histogram")
    """
    component: type[SetMetric] = registry.load("set_metrics", name)
    trial = _Trial(component())
    promises = Promises(f"set_metrics.{name}")
    promises.add("it says which numbers it gives, each by one name, and gives no others", _declared, trial)
    promises.add("every number lies in its interval if it has one, or is refused in words", _in_interval, trial)
    promises.add("its numbers survive JSON", _survives_json, trial)
    promises.add("the same sets and the same seed give the same numbers", _repeatable, trial)
    promises.add("it takes few images, without classes and without training images", _takes_less, trial)
    promises.add("it takes volumes, as stacks of slices", _takes_volumes, trial)
    promises.add("synthetic images as good as real ones are not bad", _fair, trial)
    promises.add("noise, one image again and again, or the training images are worse", _finds_worse, trial)
    promises.check()


class _Trial:
    """A set metric, and what it said of the sets that it has seen."""

    def __init__(self, metric: SetMetric) -> None:
        self.metric = metric
        self._measurements: dict[Kind, Measurement] = {}

    def measurement(self, kind: Kind) -> Measurement:
        if kind not in self._measurements:
            self._measurements[kind] = self.metric.compute(image_sets(kind), _SETTINGS)
        return self._measurements[kind]

    def numbers(self, kind: Kind = "alike") -> list[Metric]:
        return list(self.measurement(kind).metrics)

    def numbers_of(self, sets: ImageSets) -> list[Metric]:
        return list(self.metric.compute(sets, _SETTINGS).metrics)


def _declared(trial: _Trial) -> str:
    names = [measure.name for measure in trial.metric.measures]
    given = {number.name for number in trial.numbers()}
    return seen_unless(bool(names) and len(set(names)) == len(names) and given <= set(names), f"{given}, says {names}")


def _in_interval(trial: _Trial) -> str:
    for kind in ("alike", *_WRONG):
        seen = _wrong_number(trial.numbers(kind))
        if seen:
            return f"{seen}, for {kind}"
    return ""


def _wrong_number(numbers: list[Metric]) -> str:
    for number in numbers:
        estimates = [estimate for estimate in (number.value, number.floor) if estimate is not None]
        if number.value is None and not number.refused:
            return seen_unless(False, f"no {number.name} and no reason")
        for estimate in estimates:
            if estimate.has_interval and not estimate.low <= estimate.value <= estimate.high:
                return seen_unless(False, f"{number.name} {estimate.value} in [{estimate.low}, {estimate.high}]")
    return ""


def _survives_json(trial: _Trial) -> str:
    texts = [number.model_dump_json() for number in trial.numbers()]
    again = [Metric.model_validate_json(text).model_dump_json() for text in texts]
    return seen_unless(texts == again, again)


def _repeatable(trial: _Trial) -> str:
    first, second = trial.numbers(), trial.numbers_of(image_sets("alike"))
    kept = [number.model_dump_json() for number in first] == [number.model_dump_json() for number in second]
    return seen_unless(kept, "other numbers")


def _takes_less(trial: _Trial) -> str:
    return _wrong_number(trial.numbers_of(few_image_sets()))


def _takes_volumes(trial: _Trial) -> str:
    return _wrong_number(trial.numbers_of(volume_sets()))


def _fair(trial: _Trial) -> str:
    checks = trial.metric.checks(trial.measurement("alike"), default_thresholds())
    wrong = [f"{check.metric} {check.outcome}: {check.sentence}" for check in checks if check.outcome == "bad"]
    return seen_unless(not wrong, "; ".join(wrong))


def _finds_worse(trial: _Trial) -> str:
    good = {number.name: _badness(number) for number in trial.numbers() if number.value is not None}
    numbers = [number for kind in _WRONG for number in trial.numbers(kind) if number.value is not None]
    worse = [number.name for number in numbers if _badness(number) > good.get(number.name, float("inf"))]
    return seen_unless(bool(worse) or not good, f"{good}, and nothing worse")


def _badness(number: Metric) -> float:
    """Return a number so that more is worse."""
    value = number.value.value if number.value else float("nan")
    floor = number.floor.value if number.floor else 0.0
    return {"lower": value, "higher": -value, "middle": abs(value - floor)}[number.better]
