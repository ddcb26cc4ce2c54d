"""Sets of one subject, and of two with 1 and all other images, end in words: what would suffice, and no traceback."""

from dataclasses import replace

import numpy as np
import pytest

from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.evaluation.verdict import verdicts
from gandlf_synth.metrics.first_order import TextureDistance
from gandlf_synth.metrics.frechet import FrechetDistance
from gandlf_synth.metrics.histogram import HistogramDistance
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.kernel import KernelDistance
from gandlf_synth.metrics.ms_ssim import IntraSetMsSsim
from gandlf_synth.metrics.prdc import Overlap
from gandlf_synth.metrics.set_metric import MeasureSettings, SetMetric
from gandlf_synth.metrics.spectrum import SpectrumDistance
from gandlf_synth.testing.image_sets import image_sets

METRICS: tuple[SetMetric, ...] = (
    KernelDistance(), FrechetDistance(), SpectrumDistance(), HistogramDistance(), TextureDistance(),
    IntraSetMsSsim(pairs=40), Overlap(),
)  # fmt: skip


@pytest.mark.parametrize("real", ["one", "two"])
@pytest.mark.parametrize("synthetic", ["one", "two", "each its own"])
def test_the_answer_is_unknown_with_what_would_suffice(real: str, synthetic: str) -> None:
    sets = image_sets("alike", alone=True)
    count = len(sets.real)
    subjects = {
        "one": np.array(["a"] * count), "two": np.array(["a"] + ["b"] * (count - 1)),
        "each its own": np.arange(count).astype(str),
    }  # fmt: skip
    sets = ImageSets(replace(sets.real, subjects=subjects[real]), replace(sets.synthetic, subjects=subjects[synthetic]))

    measured = [(metric, metric.compute(sets, MeasureSettings())) for metric in METRICS]

    for verdict in verdicts(measured, default_thresholds()):
        assert verdict.outcome == "unknown"
        if verdict.question in ("faithful", "diverse"):
            assert "suffice" in verdict.sentence
            assert all(check.suffices for check in verdict.checks)
