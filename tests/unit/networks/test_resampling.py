"""What stands in for torch's functions in deterministic runs gives their values and their derivatives."""

import pytest
import torch
from torch.nn import functional

from gandlf_synth.networks.resampling import adaptive_avg_pool, by_gathering, by_matrices, downsample, upsample

SHAPES = [((7, 12), (5, 12)), ((10, 12, 9), (4, 5, 9)), ((4, 4), (2, 4))]


def images_of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0), requires_grad=True)


@pytest.mark.parametrize(("shape", "coarse"), SHAPES)
def test_products_of_matrices_are_the_pools_and_the_interpolation(
    shape: tuple[int, ...], coarse: tuple[int, ...]
) -> None:
    images = images_of(shape)
    halved = [-(-size // 2) for size in shape]
    finer = [size * 2 + 1 for size in shape]
    pairs = [
        (by_matrices(images, coarse, "cells"), adaptive_avg_pool(images, coarse)),
        (by_matrices(images, halved, "pairs"), downsample(images)),
        (by_matrices(images, finer, "linear"), upsample(images, finer)),
    ]

    for ours, torchs in pairs:
        (own,), (theirs,) = (torch.autograd.grad(each.square().sum(), images) for each in (ours, torchs))
        torch.testing.assert_close(ours, torchs)
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=5e-5)  # sums of up to 27 terms, in 32 bits


@pytest.mark.parametrize("shape", [(6, 9), (5, 6, 4)])
def test_gathering_corners_is_sampling_on_a_grid(shape: tuple[int, ...]) -> None:
    images, dims = images_of(shape), len(shape)
    matrix = torch.eye(dims, dims + 1) + 0.3 * torch.randn(
        2, dims, dims + 1, generator=torch.Generator().manual_seed(1)
    )
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)

    ours, torchs = by_gathering(images, grid), functional.grid_sample(images, grid, align_corners=False)

    (own,), (theirs,) = (torch.autograd.grad(each.square().sum(), images) for each in (ours, torchs))
    torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5)


def test_matrices_made_in_inference_serve_training() -> None:
    with torch.inference_mode():
        by_matrices(torch.ones(1, 1, 6, 6), (3, 3), "cells")

    images = images_of((6, 6))
    by_matrices(images, (3, 3), "cells").sum().backward()

    assert images.grad is not None
