"""What a reader is told, in words: counts that belong together stand together, and nothing is left out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Array, heads, verdict_of

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes
from gandlf_synth.evaluation.causes.fixed_patterns import fixed_patterns
from gandlf_synth.evaluation.causes.tone import tones
from gandlf_synth.evaluation.report.panels.nearest_training import PairView
from gandlf_synth.evaluation.results import Evaluation, Verdict
from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.evaluation.verdict import verdicts
from gandlf_synth.metrics.copies import Copies
from gandlf_synth.metrics.frechet import FrechetDistance
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, share
from gandlf_synth.metrics.kernel import KernelDistance
from gandlf_synth.metrics.membership import Membership
from gandlf_synth.metrics.repeated_images import RepeatedImages
from gandlf_synth.metrics.results import Check, CopyPair, Measurement, Metric, Outcome
from gandlf_synth.metrics.set_metric import MeasureSettings
from gandlf_synth.metrics.spectrum import SpectrumDistance


@pytest.mark.parametrize(("count", "word"), [(2, "channels differ"), (3, "colors differ")])
def test_only_three_channels_are_called_colors(count: int, word: str) -> None:
    real = np.random.default_rng(0).random((12, 1, count, 16, 16)).astype(np.float32)
    other = (real * np.linspace(0.4, 1, count)[:, None, None]).astype(np.float32)

    sentences = [change.sentence for change in tones(ComparedPlanes(real, other)) if change.name == "color"]

    assert sentences
    assert all(sentence.startswith(word) for sentence in sentences)


@pytest.mark.parametrize(("value", "named"), [(0.0, False), (0.8, True)])
def test_background_that_some_real_images_fill_is_no_mark_and_what_no_real_one_has_is(
    value: float, named: bool
) -> None:
    real, synthetic = np.random.default_rng(0).random((2, 40, 1, 1, 16, 16)).astype(np.float32)
    for images in (real, synthetic):
        images[..., 3:7, 4:9] = 0
    real[:4, ..., 3:7, 4:9] = 0.9  # a tenth of the heads reach this far
    synthetic[..., 3:7, 4:9] = value

    names = [change.name for change in fixed_patterns(ComparedPlanes(real, synthetic))]

    assert ("mark" in names) == named


@pytest.mark.parametrize(
    ("answer", "beyond", "identical", "word"),
    [
        ("bad", True, False, "copy"), ("bad", False, False, "perhaps a copy"), ("look", True, False, "perhaps a copy"),
        ("look", False, False, "as near as a copy"), ("good", False, False, "as near as a copy"),
        ("unknown", True, True, "copy"),
    ],
)  # fmt: skip
def test_a_pair_is_called_a_copy_only_as_far_as_the_verdict_goes(
    answer: Outcome, *, beyond: bool, identical: bool, word: str
) -> None:
    pair = CopyPair(
        synthetic="a", training="b", correlation=0.9, ssim=0.9, flip="as it is", flagged=True, beyond=beyond,
        identical=identical,
    )  # fmt: skip

    assert PairView(pair, ([], []), answer).verdict == word
    assert PairView(pair.model_copy(update={"held_out": True}), ([], []), answer).verdict == "as near as a copy"


def test_a_cause_that_ends_with_a_question_has_no_full_stop_behind_it() -> None:
    cause = Cause(
        name="size", question="faithful", outcome="bad", sentence="is the spacing wrong?", strength=1, limit=0.05
    )

    assert verdicts([], default_thresholds(), [cause])[0].sentence.endswith("Is the spacing wrong?")


SETTINGS = MeasureSettings()
COUNT = 40
FAR = (("real", 0.0), ("synthetic", 1.0))


def drawn(name: str, **given: Array) -> ImageSetFeatures:
    """Return a set of 40 images of which only ``given`` matters."""
    names, empty = tuple(f"{name}{k}" for k in range(COUNT)), np.zeros((COUNT, 1))
    rows = {"features": np.zeros((COUNT, 1, 1, 4)), "histograms": empty, "spectra": empty, "first_order": empty}
    return ImageSetFeatures(
        name=name, pixels=np.zeros((COUNT, 1, 1, 1, 8, 8), np.float16), subjects=np.array(names), labels=None,
        files=names, content=names, **(rows | given),
    )  # fmt: skip


def answer_on_copies(*, identical: int, flagged: int) -> Verdict:
    """Return the answer on privacy for 200 synthetic images and 200 held-out ones, of which 2 are flagged."""
    details = {
        "identical": identical, "flagged": flagged, "has_train": 1, "held_out": 200, "held_out_flagged": 2, "limit": 2,
        "near_duplicates": 0, "held_out_copies": 0, "false_alarm": 0.01, "beyond": 0, "held_out_beyond": 0,
        "by_chance": 0.055, "unexplained_beyond": 0,
    }  # fmt: skip
    metric = Metric(
        name="copies", title="Copies", question="private", better="lower", value=share(flagged, 200),
        floor=share(2, 200), num_real=200, num_synthetic=200, details=details,
    )  # fmt: skip
    answers = verdicts([(Copies(), Measurement([metric]))], default_thresholds())
    return next(answer for answer in answers if answer.question == "private")


def test_copies_that_were_changed_are_counted_beside_those_to_the_pixel() -> None:
    answer = answer_on_copies(identical=2, flagged=43)

    assert answer.outcome == "bad"
    assert "2 of 200 synthetic images are the same as a training image to the pixel" in answer.sentence
    assert "41 more are copies of one, changed (of 200 held-out real images, 2 are)" in answer.sentence


def test_a_good_answer_says_how_many_images_were_flagged_all_the_same() -> None:
    answer = answer_on_copies(identical=0, flagged=3)

    assert answer.outcome == "good"
    assert "3 of 200 synthetic images are more like a training image than is usual" in answer.sentence
    assert "of 200 held-out real images, 2 are" in answer.sentence


@pytest.mark.parametrize(
    ("coarse", "fine", "word", "not_said"),
    [
        (-6, -6, "contrast", "blur"),
        (3, 0.1, "coarse structure differs", "noise"),
        (-0.2, -6, "blur", "contrast"),
        (0.2, 6, "noise", "contrast"),
    ],
)
def test_a_spectrum_that_differs_elsewhere_is_called_neither_blur_nor_noise(
    coarse: float, fine: float, word: str, not_said: str
) -> None:
    real = np.random.default_rng(0).normal(-20, 0.5, (40, 32))
    other = np.random.default_rng(1).normal(-20, 0.5, (40, 32)) + np.repeat([coarse, fine], 16)
    metric = SpectrumDistance()

    measurement = metric.compute(ImageSets(drawn("real", spectra=real), drawn("synthetic", spectra=other)), SETTINGS)
    (check,) = metric.checks(measurement, default_thresholds())

    assert word in check.sentence
    assert not_said not in check.sentence


def test_an_attack_on_few_images_is_not_said_to_fail() -> None:
    def answer(low: float, high: float) -> Check:
        metric = Metric(
            name="membership", title="Membership attack (AUC)", question="private", better="lower",
            value=Estimate(0.54, low, high), floor=Estimate(0.5, 0.5, 0.5), num_real=25, num_synthetic=90,
        )  # fmt: skip
        return Membership().checks(Measurement([metric]), default_thresholds())[0]

    assert answer(0.5, 0.58).outcome == "good"
    unsure = answer(0.35, 0.73)
    assert unsure.outcome == "unknown"
    assert unsure.suffices > 25
    assert "reaches from good to bad" in unsure.sentence


def test_no_repeated_image_among_few_is_no_proof_that_hardly_any_is() -> None:
    def answer(count: int) -> Outcome:
        metric = Metric(
            name="duplicates", title="Repeated images", question="diverse", better="lower", value=share(0, count // 2),
            floor=share(0, count // 2), num_real=count, num_synthetic=count,
        )  # fmt: skip
        return RepeatedImages().checks(Measurement([metric]), default_thresholds())[0].outcome

    assert answer(40) == "unknown"
    assert answer(200) == "good"


def test_a_kernel_distance_of_small_features_is_not_called_good() -> None:
    def check(scale: float) -> Check:
        rng = np.random.default_rng(0)
        sets = [drawn(each, features=scale * rng.normal(mean, 1, (40, 1, 1, 64))) for each, mean in FAR]
        metric = KernelDistance()
        return metric.checks(metric.compute(ImageSets(*sets), SETTINGS), default_thresholds())[0]

    assert check(0.7).outcome == "bad"
    assert check(0.05).outcome == "unknown"
    assert "thresholds of this distance are not made" in check(0.05).sentence


def test_no_interval_of_a_frechet_distance_begins_below_zero() -> None:
    rng = np.random.default_rng(0)
    sets = [drawn(name, features=rng.normal(size=(40, 1, 1, 4))) for name in ("real", "synthetic")]

    (metric,) = FrechetDistance().compute(ImageSets(*sets), SETTINGS).metrics

    assert metric.value is not None
    assert metric.floor is not None
    assert min(metric.value.low, metric.floor.low) >= 0


def test_real_images_that_the_model_was_trained_on_are_cautioned_against(
    saved: Callable[..., Path], evaluated: Callable[..., Evaluation]
) -> None:
    train = saved("train", heads(24, 1))

    found = evaluated(train, saved("synthetic", heads(24, 2)), train=train)

    assert any("all real images are training images" in caution for caution in found.cautions)
    assert "all real images are training images" in verdict_of(found, "private").sentence
    partly = saved("partly", np.concatenate([heads(24, 1)[:6], heads(18, 3)]))
    again = evaluated(partly, saved("other", heads(24, 2)), train=train)
    assert any("6 of 24 real images are training images" in caution for caution in again.cautions)
