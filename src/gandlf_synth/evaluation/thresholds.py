"""When a verdict is good, and when bad; every registered set metric brings its thresholds, and all can be changed."""

from collections.abc import Mapping, Sequence

from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing, option, raise_if_any
from gandlf_synth.evaluation.causes import outlier_images, reproduction
from gandlf_synth.metrics.set_metric import MeasureSettings, registered_set_metrics

Thresholds = Mapping[str, float]
"""By name, such as ``kid_good`` and ``kid_bad``; what lies between the two is worth a look."""


def default_thresholds() -> dict[str, float]:
    """Return every threshold with its default.

    Some distances are judged by how far they lie above real against real, which is the same distance between real
    images of different subjects. Shares named ``…_of_real`` are divided by it. ``false_alarm`` is the share of held-out
    real images that may be taken for copies. ``difference_…`` are of the whole look of the images, whose cause is
    sought; ``other_content_good`` is the share of images that may be unlike every real one before all of them are.
    """
    measures = [measure for metric in registered_set_metrics() for measure in metric.measures]
    criteria = [measure.criterion for measure in measures if measure.criterion]
    thresholds = {"false_alarm": MeasureSettings().false_alarm, **reproduction.THRESHOLDS, **outlier_images.THRESHOLDS}
    for criterion in criteria:
        thresholds |= criterion.defaults
    return thresholds


def complete_thresholds(changes: Thresholds) -> dict[str, float]:
    """Return all thresholds, with ``changes`` in place of defaults.

    Raises:
        ConfigError: every unknown name.
    """
    defaults = default_thresholds()
    raise_if_any(_unknown(changes, defaults), ConfigError)
    return {**defaults, **changes}


def parse_thresholds(texts: Sequence[str]) -> dict[str, float]:
    """Return the changes that texts such as ``kid_good=0.05`` state.

    Raises:
        ConfigError: every unknown name and every value that is not a number.
    """
    changes: dict[str, float] = {}
    problems = []
    for text in texts:
        name, _, number = text.partition("=")
        try:
            changes[name] = float(number)
        except ValueError:
            problems.append(
                Problem(option("thresholds"), f"{text!r} is not valid", "NAME=NUMBER, such as kid_good=0.05")
            )
    names = [text.partition("=")[0] for text in texts]
    raise_if_any([*problems, *_unknown(names, default_thresholds())], ConfigError)
    return changes


def _unknown(names: Sequence[str] | Thresholds, known: Thresholds) -> list[Problem]:
    return [
        Problem(option("thresholds"), f"unknown name {name!r}", listing(known), did_you_mean(name, known))
        for name in names
        if name not in known
    ]
