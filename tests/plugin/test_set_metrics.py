"""A set metric of one's own in one file: in the numbers, the thresholds, the verdict and the report."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Cli, heads, write_picture

from gandlf_synth import registry

PLUGIN = """
from gandlf_synth.metrics.discrepancy import distance_of_means
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, SetMetric, itself
from gandlf_synth.registry import register


@register("set_metrics", "contrast")
class Contrast(SetMetric):
    '''Difference of the mean contrast, which is the deviation of an image's values.'''

    measures = (
        Measure(
            "contrast", "Contrast", "faithful", "lower", "of the range",
            Criterion(
                "contrast", "Difference of the mean contrast.", 0.02, 0.1, itself,
                "contrast is as in real images", "contrast differs",
            ),
        ),
    )

    def compute(self, sets, settings):
        real, synthetic = (part.pixels.astype(float).std(axis=(1, 2, 3, 4, 5)) for part in (sets.real, sets.synthetic))
        value, floor = distance_of_means(
            real[:, None], synthetic[:, None], sets.real.subjects, sets.synthetic.subjects, settings.seed
        )
        change = float(synthetic.mean() - real.mean())
        return Measurement([self.metric("contrast", sets, value, floor, details={"change": change})])

    def detail(self, metric):
        return f" by {metric.details['change']:+.0%} of the range"
"""


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def words(tmp_path: Path) -> list[object]:
    """Return the command that compares images with the same images in half the contrast."""
    (tmp_path / "contrast.py").write_text(PLUGIN)
    for name, images in (("real", heads(24, 1)), ("flat", heads(24, 2) * 0.5)):
        for place, image in enumerate(images):
            write_picture(tmp_path / name / f"{place}.png", image.astype(np.uint8))
    command = ["evaluate", "-r", tmp_path / "real", "-s", tmp_path / "flat", "-o", tmp_path / "out"]
    return [*command, "--extractor", "random-conv", "--plugin", tmp_path / "contrast.py"]


def test_it_is_in_the_numbers_the_verdict_and_the_report(words: list[object], cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(*words)

    assert code == 0, err
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    metric = next(metric for metric in written["metrics"] if metric["name"] == "contrast")
    assert metric["value"]["low"] <= metric["value"]["value"] <= metric["value"]["high"]
    assert metric["value"]["low"] > metric["floor"]["high"]
    faithful = next(verdict for verdict in written["verdicts"] if verdict["question"] == "faithful")
    check = next(check for check in faithful["checks"] if check["metric"] == "contrast")
    assert (check["outcome"], check["good"], check["bad"]) == ("bad", 0.02, 0.1)
    assert check["sentence"].startswith("contrast differs by -")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Contrast" in page
    assert check["sentence"] in page


def test_its_thresholds_can_be_changed(words: list[object], cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(*words, "--threshold", "contrast_good=0.9")

    assert code == 0, err
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["thresholds"]["contrast_good"] == 0.9
    checks = [check for verdict in written["verdicts"] for check in verdict["checks"]]
    assert (
        next(check["sentence"] for check in checks if check["metric"] == "contrast") == "contrast is as in real images"
    )
