"""Images of one subject are no independent observations: what that means for distances, intervals and verdicts."""

from collections.abc import Callable

import numpy as np
import pytest

from gandlf_synth.evaluation.verdict import control_false_alarms
from gandlf_synth.metrics.discrepancy import linear_kernel, squared_distance
from gandlf_synth.metrics.first_order import shift_kernel
from gandlf_synth.metrics.intervals import Estimate, Floats
from gandlf_synth.metrics.kernel import cubic_kernel, kernel_distance
from gandlf_synth.metrics.ms_ssim import balanced_pairs, mean_over_pairs
from gandlf_synth.metrics.prdc import prdc
from gandlf_synth.metrics.results import Check
from gandlf_synth.metrics.set_metric import Limits

KERNELS = (cubic_kernel, linear_kernel, shift_kernel)


def slices(rng: np.random.Generator, subjects: int, each: int, shift: float = 0) -> tuple[Floats, Floats]:
    """Return features of several slices of each subject, which are alike, and the subject of each."""
    own = rng.normal(shift, np.sqrt(0.7), size=(subjects, 1, 8))
    features = own + rng.normal(0, np.sqrt(0.3), size=(subjects, each, 8))
    return features.reshape(-1, 8), np.repeat(np.arange(subjects), each)


@pytest.mark.parametrize("kernel", KERNELS)
def test_slices_of_ten_volumes_do_not_look_alike_by_being_of_one_volume(
    kernel: Callable[[Floats, Floats], Floats],
) -> None:
    rng = np.random.default_rng(0)
    values, naive = [], []
    for _ in range(100):
        (real, real_subjects), (synthetic, subjects) = slices(rng, 10, 8), slices(rng, 80, 1)
        values.append(squared_distance([(real, synthetic)], real_subjects, subjects, kernel).value)
        naive.append(kernel_distance(real, synthetic))

    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert np.mean(naive) > 10 * np.std(naive) / np.sqrt(len(naive))


@pytest.mark.parametrize("shift", [0, *(pytest.param(shift, marks=pytest.mark.slow) for shift in (0.4, 1.5))])
def test_the_interval_holds_the_truth_in_95_of_100_cases(shift: float) -> None:
    rng = np.random.default_rng(1)
    truth, covered, repeats = shift**2, 0, 80
    for seed in range(repeats):
        (real, real_subjects), (synthetic, subjects) = slices(rng, 25, 4), slices(rng, 40, 1, shift)
        found = squared_distance([(real, synthetic)], real_subjects, subjects, linear_kernel, seed=seed).estimate()
        covered += found.low <= truth <= found.high

    assert 0.9 <= covered / repeats <= 0.99


def test_slices_of_one_subject_are_not_each_others_neighbors() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(60, 1, 4))
    real = (own + rng.normal(0, 0.05, size=(60, 12, 4))).reshape(-1, 4)
    others, subjects = rng.normal(size=(200, 4)), np.repeat(np.arange(60), 12)

    by_subject = prdc(real, others, 5, subjects, np.arange(200))

    assert prdc(real, others, 5).precision < 0.1
    assert by_subject.precision > 0.8
    assert by_subject.recall > 0.8


def test_the_interval_of_a_mean_over_pairs_holds_the_truth_where_images_are_in_several_pairs() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        places = rng.normal(size=(50, 2))
        groups = np.arange(50).astype(str)
        pairs = balanced_pairs(groups, 400, rng)
        likeness = np.exp(-((places[pairs[:, 0]] - places[pairs[:, 1]]) ** 2).mean(axis=1))
        found.append(mean_over_pairs(likeness, pairs, groups))
    truth = 1 / 3  # of exp(-|x - y|² / 2) for standard normal x and y in two dimensions

    assert 0.9 <= np.mean([estimate.low <= truth <= estimate.high for estimate in found]) <= 0.99


def test_a_pair_is_never_of_one_subject_and_every_image_is_in_as_many() -> None:
    groups = np.repeat(["a", "b", "c", "d"], 10)

    pairs = balanced_pairs(groups, 200, np.random.default_rng(0))

    assert (groups[pairs[:, 0]] != groups[pairs[:, 1]]).all()
    assert len(balanced_pairs(np.array(["a"] + ["b"] * 2000), 100, np.random.default_rng(0))) > 0
    assert len(balanced_pairs(np.array(["a", "a"]), 100, np.random.default_rng(0))) == 0


def test_two_subjects_of_1_and_79_images_give_a_number_and_one_subject_an_error() -> None:
    features, subjects = np.random.default_rng(0).normal(size=(80, 4)), np.array([0] + [1] * 79)

    found = squared_distance([(features, features + 1)], subjects, np.arange(80), linear_kernel).estimate()

    assert np.isfinite([found.low, found.value, found.high]).all()
    with pytest.raises(ValueError, match="two subjects"):
        squared_distance([(features, features)], np.zeros(80), np.arange(80), linear_kernel)


class TestLimits:
    limits = Limits(good=0.02, bad=0.2, higher=False)

    @pytest.mark.parametrize(
        ("estimate", "outcome"),
        [
            (Estimate(0.01, -0.01, 0.05), "good"),
            (Estimate(0.05, -0.02, 0.15), "good"),
            (Estimate(0.05, 0.03, 0.10), "look"),
            (Estimate(0.30, 0.10, 0.50), "bad"),
            (Estimate(0.30, -0.10, 0.70), "unknown"),
            (Estimate(0.01, -0.30, 0.30), "unknown"),
        ],
    )
    def test_a_number_that_may_be_good_or_bad_is_unknown(self, estimate: Estimate, outcome: str) -> None:
        assert self.limits.outcome(estimate) == outcome

    def test_four_times_the_subjects_halve_an_interval(self) -> None:
        assert self.limits.sufficient(Estimate(0.1, -0.08, 0.28), 25) == 100

    def test_the_p_value_is_that_of_the_normal_distribution(self) -> None:
        assert self.limits.p_value(Estimate(0.02 + 1.959964, 0.02, 9.0)) == pytest.approx(0.025)


def check(outcome: str, p_value: float | None) -> Check:
    return Check(
        metric="kid",
        outcome=outcome,
        compared=1.0,
        good=0.0,
        bad=1.0,
        sentence="",
        p_value=p_value,
    )


def test_one_bad_number_among_many_that_chance_explains_is_not_bad() -> None:
    others = [check("good", 0.5)] * 9

    assert control_false_alarms([check("bad", 0.004), *others])[0].outcome == "bad"
    assert control_false_alarms([check("bad", 0.02), *others])[0].outcome == "look"
    assert control_false_alarms([check("bad", 0.02)])[0].outcome == "bad"
    assert control_false_alarms([check("bad", None), *others])[0].outcome == "bad"
