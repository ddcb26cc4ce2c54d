"""Every registered set metric keeps its promises, and the checker finds those that do not."""

import numpy as np
import pytest

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, itself
from gandlf_synth.registry import register
from gandlf_synth.testing import check_set_metric

SLOW = {"train_synthetic_test_real"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in registry.names("set_metrics")]
)
def test_set_metric_keeps_its_promises(name: str) -> None:
    check_set_metric(name)


class Brightness(SetMetric):
    """Gives a number that it does not declare, another one every time, and none for few images."""

    measures = (
        Measure(
            "brightness", "Brightness", "faithful", "lower",
            criterion=Criterion("brightness", "Brightness.", 0.01, 0.02, itself, "is as bright", "is brighter"),
        ),
        Measure("darkness", "Darkness", "faithful", "lower"),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        if len(sets.synthetic) < 10:
            raise ValueError("too few")
        value = 1 + np.random.default_rng().random()
        metric = self.metric("brightness", sets, Estimate(value, 3.0, 4.0), Estimate(0.0, 0.0, 0.0))
        return Measurement([metric, metric.model_copy(update={"name": "contrast"})])

    def checks(self, measurement: Measurement, thresholds: object) -> list[object]:  # type: ignore[override]
        return super().checks(Measurement(measurement.metrics[:1]), {"brightness_good": 0.01, "brightness_bad": 0.02})  # type: ignore[return-value]


def test_broken_promises_are_named(plugins: None) -> None:
    register("set_metrics", "brightness")(Brightness)

    with pytest.raises(PluginError) as error:
        check_set_metric("brightness")

    message = str(error.value)
    assert "gives no others; it gives" in message
    assert "every number lies in its interval if it has one, or is refused in words; it gives brightness 1." in message
    assert "the same sets and the same seed give the same numbers; it gives other numbers" in message
    assert "without training images; it raises ValueError: too few" in message
    assert "synthetic images as good as real ones are not bad; it gives brightness bad: is brighter" in message
