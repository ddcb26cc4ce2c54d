"""Paired metrics against their definitions and against independent implementations."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from tests.factories import blob
from torchmetrics.functional.image import structural_similarity_index_measure

from gandlf_synth import registry


def measure(
    name: str, one: np.ndarray, other: np.ndarray, mask: np.ndarray | None = None, **parameters: object
) -> float:
    return registry.load("paired_metrics", name)(one[None], other[None], mask, **parameters)


@pytest.mark.parametrize("shape", [(40, 32), (20, 24, 18)])
def test_agrees_with_scikit_image_and_torchmetrics(shape: tuple[int, ...]) -> None:
    one = blob(shape, 1)
    other = one + np.random.default_rng(0).normal(0, 20, shape).astype(np.float32)
    spread = float(one.max()) - float(one.min())

    psnr = measure("peak_signal_noise_ratio", one, other)
    ssim = measure("structural_similarity_index", one, other)

    assert psnr == pytest.approx(peak_signal_noise_ratio(one, other, data_range=spread), rel=1e-5)
    _, everywhere = structural_similarity(
        one, other, data_range=spread, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim == pytest.approx(everywhere.mean(), abs=0.01)
    pair = [torch.from_numpy(image.astype(np.float64))[None, None] for image in (other, one)]
    assert ssim == pytest.approx(float(structural_similarity_index_measure(*pair, data_range=spread)), abs=1e-9)


def test_perfect_reconstruction() -> None:
    one = blob((24, 20), 3)

    assert measure("mean_absolute_error", one, one) == 0
    assert measure("peak_signal_noise_ratio", one, one) == np.inf
    assert measure("structural_similarity_index", one, one) == pytest.approx(1, abs=1e-5)
    assert measure("ncc_max", one, one) == pytest.approx(1, abs=1e-3)


def test_correlation_forgives_a_shift_and_a_scale_and_error_does_not() -> None:
    one = blob((32, 32), 5)
    other = 3 * np.roll(one, 2, axis=0) + 7

    assert measure("ncc_max", one, other) > 0.98
    assert measure("root_mean_squared_error", one, other) > 100
    assert measure("ncc_min", one, other) <= measure("ncc_mean", one, other) <= measure("ncc_max", one, other)


def test_small_images_have_a_similarity_too() -> None:
    assert measure("structural_similarity_index", blob((7, 9), 0), blob((7, 9), 0)) == pytest.approx(1, abs=1e-5)


def test_images_of_eleven_voxels_have_one_scale() -> None:
    assert measure("ms_ssim", blob((11, 11), 0), blob((11, 11), 0)) == pytest.approx(1)


def test_errors_count_only_what_is_inside_the_mask() -> None:
    one = blob((20, 18), 2)
    mask = one > 500

    assert measure("mean_absolute_error", one, one + 5 * mask, mask) == pytest.approx(5, rel=1e-5)
    assert measure("mean_absolute_error", one, one + 5 * ~mask, mask) == 0


def test_a_range_may_be_given_and_values_clipped_to_it() -> None:
    one, other = np.array([[-2000.0, 0.0]]), np.array([[-1024.0, 40.95]])
    error = np.mean([0, 40.95**2])

    psnr = measure("peak_signal_noise_ratio", one, other, data_range=(-1024.0, 3071.0), clip=True)

    assert psnr == pytest.approx(10 * np.log10(4095**2 / error))


def test_every_similarity_takes_the_range_that_is_given() -> None:
    one = np.random.default_rng(0).random((32, 32))
    other = one + 0.1 * np.random.default_rng(1).random((32, 32))

    for name in ("structural_similarity_index", "masked_ms_ssim", "ms_ssim"):
        assert measure(name, one, other, data_range=(0.0, 100.0)) > measure(name, one, other, data_range=(0.0, 1.0))
