"""The score of samples against real images, and the choice that follows from it."""

import numpy as np
import pytest
import torch

from gandlf_synth.evaluation.sweep import Setting, best
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.kernel import kernel_distance
from gandlf_synth.metrics.scoring import features, score


def blobs(count: int, seed: int, shape: tuple[int, ...] = (16, 16)) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, len(shape), generator=rng) * 0.6 - 0.3
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape), indexing="ij")
    far = sum((axis - centre[(slice(None), k, *(None,) * len(shape))]) ** 2 for k, axis in enumerate(axes))
    return (2 * torch.exp(-6 * far) - 1)[:, None]


def of(images: torch.Tensor) -> np.ndarray:
    return features(images.split(16), build_extractor("random-conv"))


def test_the_distance_is_the_unbiased_kernel_distance_of_the_features() -> None:
    real, synthetic = of(blobs(30, 0)), of(blobs(20, 1))

    found = score(real, synthetic)

    assert found.kid.value == pytest.approx(kernel_distance(real[:, 0, 0], synthetic[:, 0, 0]), abs=1e-9)
    assert found.kid.low <= found.kid.value <= found.kid.high


def test_equal_distributions_are_within_the_interval_and_noise_is_far_outside() -> None:
    real, same = of(blobs(60, 0)), of(blobs(60, 1))
    noisy = of(
        (blobs(60, 1) + 0.5 * torch.randn(60, 1, 16, 16, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    )

    near, far = score(real, same), score(real, noisy)

    assert near.kid.high < far.kid.low
    assert near.overlap.coverage > 0.8
    assert far.overlap.coverage < 0.2


def test_images_of_one_subject_do_not_count_as_several() -> None:
    """Ten subjects of six nearly equal images, beside as many of as many others: nothing differs."""
    rng = np.random.default_rng(0)
    sets = [np.repeat(rng.normal(size=(10, 8)), 6, axis=0) + 0.01 * rng.normal(size=(60, 8)) for _ in range(2)]
    names = [[f"{name}{place // 6}" for place in range(60)] for name in "ab"]
    real, other = (rows[:, None, None] for rows in sets)

    alone, together = score(real, other), score(real, other, *names)

    assert alone.kid.low > 0
    assert together.kid.low <= 0 < together.kid.high
    assert alone.overlap.coverage == 0 < together.overlap.coverage


def test_volumes_are_compared_in_slices_of_three_directions() -> None:
    assert of(blobs(3, 0, (12, 14, 16))).shape == (3, 3, 8, 64)


def setting(name: str, kid: float, high: float, seconds: float) -> Setting:
    return Setting(name, 10, kid, 2 * kid - high, high, 1.0, 1.0, seconds)


def test_the_fastest_of_those_that_cannot_be_told_from_the_best_is_kept() -> None:
    exact = setting("ddpm", 0.010, 0.014, 9.0)
    quick = setting("ddim", 0.013, 0.017, 1.0)
    poor = setting("heun", 0.020, 0.024, 0.5)

    assert best([exact, quick, poor]) == quick
