"""Evaluations side by side."""

import json
import shutil
from pathlib import Path

import pytest
from tests.factories import Cli

from gandlf_synth.evaluation.comparison import best_of, compare_evaluations
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import EvaluationFolder
from gandlf_synth.metrics.intervals import Estimate


def changed(evaluation: Evaluation, name: str, value: Estimate) -> Evaluation:
    metrics = [
        metric.model_copy(update={"value": value}) if metric.name == name else metric for metric in evaluation.metrics
    ]
    return evaluation.model_copy(update={"metrics": metrics})


@pytest.fixture
def first(evaluated_once: Path) -> Evaluation:
    return EvaluationFolder(evaluated_once).read()[0]


def test_an_evaluation_is_better_only_beyond_its_interval(first: Evaluation) -> None:
    kid = Estimate(0.10, 0.08, 0.12)
    runs = {
        "a": changed(first, "kid", kid),
        "near": changed(first, "kid", Estimate(0.12, 0.10, 0.14)),
        "far": changed(first, "kid", Estimate(0.30, 0.28, 0.32)),
    }

    measures = {measure.name: measure for measure in compare_evaluations(runs).measures}

    assert measures["kid"].best == ["a", "near"]
    assert measures["recall"].best == ["a", "near", "far"]


def test_more_is_better_where_the_measure_says_so(first: Evaluation) -> None:
    runs = {
        "narrow": changed(first, "recall", Estimate(0.3, 0.25, 0.35)),
        "wide": changed(first, "recall", Estimate(0.8, 0.75, 0.85)),
    }

    comparison = compare_evaluations(runs)

    assert next(measure for measure in comparison.measures if measure.name == "recall").best == ["wide"]
    assert (comparison.wins("narrow"), comparison.wins("wide")) == (0, 1)


def test_more_variety_than_real_images_have_is_not_called_better(first: Evaluation) -> None:
    real = first.metric("ms_ssim").floor.value
    runs = {
        "like real": changed(first, "ms_ssim", Estimate(real, real - 0.01, real + 0.01)),
        "noise": changed(first, "ms_ssim", Estimate(0.0, 0.0, 0.0)),
    }

    assert next(m for m in compare_evaluations(runs).measures if m.name == "ms_ssim").best == ["like real", "noise"]


def test_two_equal_numbers_show_no_difference() -> None:
    value = Estimate(1.0, 1.0, 1.0)

    assert best_of({"a": value, "b": value}, {"a": 1.0, "b": 1.0}) == ["a", "b"]


def test_what_cannot_be_compared_is_said(first: Evaluation) -> None:
    inputs = {**first.inputs, "real": {**first.inputs["real"], "content_digest": "other"}}
    inputs["synthetic"] = {**first.inputs["synthetic"], "images": 90}
    other = first.model_copy(update={"inputs": inputs, "extractor": {**first.extractor, "weights_sha256": "other"}})

    cautions = " ".join(compare_evaluations({"a": first, "b": other}).cautions)

    for text in ("the real images differ", "the feature extractors differ", "a 30, b 90"):
        assert text in cautions
    assert compare_evaluations({"a": first, "b": first}).cautions == []


def test_the_command_writes_a_page_with_one_strip_per_measure(flat: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(flat, tmp_path / "other")

    code, out, err = cli(
        "evaluate", "--compare", flat, tmp_path / "other", "-o", tmp_path / "both", "--format", "html,md,json"
    )

    assert code == 0, err
    assert [Path(line).name for line in out.split()] == ["comparison.html", "comparison.md", "comparison.json"]
    stored = json.loads((tmp_path / "both" / "comparison.json").read_text())
    page = (tmp_path / "both" / "comparison.html").read_text()
    assert stored["names"] == ["out", "other"]
    assert page.count('class="strip"') == len(stored["measures"])
    assert page.count('class="mark-letter') == 2 * len(stored["measures"])
    assert "Distance of features (KID): no difference shown" in err


def test_mistakes_in_what_to_compare_are_told(flat: Path, cli: Cli, tmp_path: Path) -> None:
    for words, text in (
        (["--compare", flat, "-o", tmp_path / "both"], "two or more folders"),
        (["--compare", flat, flat, "-o", tmp_path / "both"], "named twice"),
        ([flat, "-o", tmp_path / "both"], "need --compare"),
        (["-o", tmp_path / "both"], "--real"),
    ):
        code, _, err = cli("evaluate", *words)

        assert code == 2
        assert text in err
