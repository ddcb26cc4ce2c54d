"""The interval of the distance of first-order features: none where it does not cover, and none is kept in the file."""

import numpy as np
import pytest
from benchmarks.coverage import image_set

from gandlf_synth.evaluation.report.templates import format_interval
from gandlf_synth.metrics.first_order import TextureDistance
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.results import Metric
from gandlf_synth.metrics.set_metric import MeasureSettings


@pytest.mark.parametrize(("subjects", "has_interval"), [(20, False), (40, True)])
def test_texture_has_an_interval_from_40_subjects_on(subjects: int, has_interval: bool) -> None:
    rng = np.random.default_rng(0)
    sets = ImageSets(*(image_set(name, subjects, 1, 0.5, rng) for name in ("real", "synthetic")))

    (metric,) = TextureDistance().compute(sets, MeasureSettings()).metrics
    again = Metric.model_validate_json(metric.model_dump_json())

    assert again.value is not None
    assert again.value.has_interval is has_interval
    assert ("no interval" in format_interval(again.value)) is not has_interval
