"""Distances between sets where the right answer is known in closed form or from an independent implementation."""

import numpy as np
import pytest
import torch

from gandlf_synth.metrics.first_order import NAMES, feature_distances, first_order
from gandlf_synth.metrics.frechet import Moments, frechet_distance, refusal
from gandlf_synth.metrics.histogram import histograms, quantiles
from gandlf_synth.metrics.intervals import auc, bootstrap, halves, share, subset
from gandlf_synth.metrics.kernel import kernel_distance
from gandlf_synth.metrics.ms_ssim import ms_ssim, scales_for
from gandlf_synth.metrics.neighbors import nearest
from gandlf_synth.metrics.prdc import prdc
from gandlf_synth.metrics.spectrum import fine_detail, radial_spectrum
from gandlf_synth.metrics.train_synthetic_test_real import balanced_accuracy, predict_classes


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestFrechet:
    def test_gaussians_with_diagonal_covariances_have_the_distance_of_the_formula(self) -> None:
        a = Moments(np.array([0.0, 1.0, 2.0]), np.diag([1.0, 4.0, 9.0]), 10)
        b = Moments(np.array([3.0, 1.0, 0.0]), np.diag([4.0, 4.0, 1.0]), 10)

        assert frechet_distance(a, b) == pytest.approx(9 + 4 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2)

    def test_covariances_that_do_not_commute_agree_with_the_matrix_root(self, rng: np.random.Generator) -> None:
        from scipy.linalg import sqrtm

        roots = rng.normal(size=(2, 6, 6))
        a, b = (Moments(rng.normal(size=6), root @ root.T, 10) for root in roots)
        expected = np.sum((a.mean - b.mean) ** 2) + np.trace(
            a.covariance + b.covariance - 2 * sqrtm(a.covariance @ b.covariance).real
        )

        assert frechet_distance(a, b) == pytest.approx(expected)
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))

    def test_singular_covariances_give_zero_for_equal_sets(self, rng: np.random.Generator) -> None:
        few = Moments.of(rng.normal(size=(5, 64)))

        assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)

    def test_agrees_with_torchmetrics_on_the_same_features(self, rng: np.random.Generator) -> None:
        from torchmetrics.image.fid import _compute_fid

        a, b = rng.normal(size=(300, 16)), rng.normal(0.3, 1.4, size=(200, 16))
        parts = [torch.from_numpy(part) for part in (a, b)]
        reference = _compute_fid(parts[0].mean(0), parts[0].T.cov(), parts[1].mean(0), parts[1].T.cov())

        assert frechet_distance(Moments.of(a, chunk=64), Moments.of(b)) == pytest.approx(float(reference), rel=1e-6)

    def test_is_refused_below_the_dimension_with_an_alternative(self) -> None:
        assert refusal(64, 64, 100) == ""
        assert "(64)" in refusal(64, 63, 100)
        assert "KID" in refusal(64, 63, 100)


class TestKernel:
    def test_is_unbiased(self, rng: np.random.Generator) -> None:
        values = [kernel_distance(*rng.normal(size=(2, 20, 8))) for _ in range(400)]

        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
        assert min(values) < 0 < max(values)

    def test_agrees_with_torchmetrics_on_the_same_features(self, rng: np.random.Generator) -> None:
        from torchmetrics.image.kid import poly_mmd

        a, b = rng.normal(size=(40, 8)), rng.normal(0.5, 1, size=(40, 8))

        assert kernel_distance(a, b) == pytest.approx(float(poly_mmd(torch.from_numpy(a), torch.from_numpy(b))))

    def test_grows_with_the_shift(self, rng: np.random.Generator) -> None:
        a, b = rng.normal(size=(2, 200, 8))

        found = [kernel_distance(a, b + shift) for shift in (0, 0.2, 0.5, 1)]

        assert found == sorted(found)


class TestPrdc:
    def test_is_perfect_for_equal_sets(self, rng: np.random.Generator) -> None:
        features = rng.normal(size=(50, 4))

        found = prdc(features, features)

        assert (found.precision, found.recall, found.coverage) == (1, 1, 1)

    def test_is_zero_for_sets_far_apart(self, rng: np.random.Generator) -> None:
        features = rng.normal(size=(50, 4))

        found = prdc(features, features + 100)

        assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)

    def test_one_of_two_clusters_is_precise_but_covers_half(self, rng: np.random.Generator) -> None:
        left, right = rng.normal(size=(40, 4)), rng.normal(size=(40, 4)) + 50

        found = prdc(np.concatenate([left, right]), left + 1e-3)

        assert found.precision == 1
        assert (found.recall, found.coverage) == (0.5, 0.5)
        assert found.covered[:40].all()
        assert not found.covered[40:].any()

    def test_agrees_with_the_definitions_written_out(self, rng: np.random.Generator) -> None:
        real, fake, k = rng.normal(size=(30, 3)), rng.normal(0.7, 0.8, size=(20, 3)), 3
        between = np.linalg.norm(real[:, None] - fake[None], axis=-1)
        radius = np.sort(np.linalg.norm(real[:, None] - real[None], axis=-1))[:, k]
        radius_fake = np.sort(np.linalg.norm(fake[:, None] - fake[None], axis=-1))[:, k]
        inside = between < radius[:, None]

        found = prdc(real, fake, k)

        assert found.precision == pytest.approx(inside.any(0).mean())
        assert found.density == pytest.approx(inside.sum(0).mean() / k)
        assert found.coverage == pytest.approx((between.min(1) < radius).mean())
        assert found.recall == pytest.approx((between < radius_fake).any(1).mean())


class TestIntervals:
    def test_resampling_subjects_is_wider_than_resampling_their_copies(self, rng: np.random.Generator) -> None:
        values = np.repeat(rng.normal(size=20), 10)
        subjects = np.repeat(np.arange(20), 10).astype(str)

        by_subject = bootstrap(lambda i: float(values[i].mean()), [subjects])
        by_row = bootstrap(lambda i: float(values[i].mean()), [np.arange(200).astype(str)])

        assert by_subject.spread > 2 * by_row.spread
        assert by_subject.low <= values.mean() <= by_subject.high

    def test_halves_and_subsets_never_divide_a_subject(self, rng: np.random.Generator) -> None:
        subjects = np.array(["a", "a", "b", "c", "c", "c", "d"])

        for _ in range(20):
            first, second = halves(subjects, rng)
            assert not set(subjects[first]) & set(subjects[second])
            assert len(first) + len(second) == len(subjects)
            chosen = subset(subjects, 4, rng)
            assert all((subjects == name).sum() == (subjects[chosen] == name).sum() for name in set(subjects[chosen]))

    def test_shares_have_wilsons_interval(self) -> None:
        found = share(1, 10)

        assert (found.low, found.high) == pytest.approx((0.0179, 0.4042), abs=1e-4)
        assert share(0, 100).low == 0

    def test_auc_counts_ties_as_half(self) -> None:
        assert auc(np.array([1.0, 2.0]), np.array([0.0, 0.5])) == 1
        assert auc(np.array([1.0]), np.array([1.0])) == 0.5


class TestImageStatistics:
    def test_a_shifted_histogram_lies_as_far_away_as_it_was_shifted(self) -> None:
        images = np.full((3, 2, 8, 8), 0.25)

        assert quantiles(histograms(images + 0.5)) - quantiles(histograms(images)) == pytest.approx(0.5)

    def test_white_noise_has_a_flat_spectrum(self, rng: np.random.Generator) -> None:
        spectrum = radial_spectrum(rng.normal(size=(40, 1, 64, 64))).mean(axis=0)

        assert np.ptp(spectrum[2:]) < 1.5
        assert spectrum.mean() == pytest.approx(0, abs=0.5)

    def test_halving_the_amplitude_costs_six_decibels(self, rng: np.random.Generator) -> None:
        planes = rng.normal(size=(10, 1, 32, 32))
        full, half = radial_spectrum(planes), radial_spectrum(planes / 2)

        assert full.mean(axis=0) - half.mean(axis=0) == pytest.approx(20 * np.log10(2), abs=1e-3)
        assert fine_detail(full, half) == pytest.approx(-20 * np.log10(2), abs=1e-3)

    def test_first_order_features_of_a_checkerboard(self) -> None:
        board = np.indices((16, 16)).sum(axis=0) % 2 * 0.999

        found = dict(zip(NAMES, first_order(board[None, None])[0], strict=True))

        assert found["entropy"] == pytest.approx(1)
        assert found["texture contrast"] == pytest.approx(15**2)
        assert found["texture correlation"] == pytest.approx(-1)
        assert found["kurtosis"] == pytest.approx(1)

    def test_a_feature_moved_by_a_deviation_is_one_deviation_away(self, rng: np.random.Generator) -> None:
        real = rng.normal(5, 3, size=(500, 2))

        assert feature_distances(real, real + real.std(axis=0)) == pytest.approx([1, 1])

    def test_ms_ssim_is_one_for_equal_images_and_less_for_noisy_ones(self, rng: np.random.Generator) -> None:
        images = torch.from_numpy(rng.uniform(size=(2, 1, 64, 64)).astype(np.float32))

        assert ms_ssim(images, images).tolist() == pytest.approx([1, 1])
        assert (ms_ssim(images, images.flip(0)) < 0.5).all()
        assert [scales_for(side) for side in (8, 11, 28, 224)] == [0, 1, 2, 5]

    def test_nearest_agrees_with_all_distances(self, rng: np.random.Generator) -> None:
        a, b = rng.normal(size=(7, 3)), rng.normal(size=(9, 3))
        every = np.linalg.norm(a[:, None] - b[None], axis=-1)

        index, distance = nearest(a, b)

        assert (index == every.argmin(1)).all()
        assert distance == pytest.approx(every.min(1))


def test_the_classifier_learns_what_is_there_and_nothing_from_shuffled_labels(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 2, 200)
    features = rng.normal(size=(200, 16)) + 2 * labels[:, None]

    learnt = predict_classes(features[:100], labels[:100], features[100:], 2, seed=0)
    shuffled = predict_classes(features[:100], rng.permutation(labels[:100]), features[100:], 2, seed=0)

    assert balanced_accuracy(learnt, labels[100:]) > 0.95
    assert balanced_accuracy(shuffled, labels[100:]) < 0.8
