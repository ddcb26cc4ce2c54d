"""A shift by whole voxels is what interpolation gives at whole voxels, without its rounding."""

import pytest
import torch
from torch import Tensor

from gandlf_synth.networks.placement import place, shift_whole_voxels
from gandlf_synth.networks.resampling import by_gathering

SHAPES = [(9, 12), (5, 8, 7)]


def interpolated(images: Tensor, voxels: Tensor) -> Tensor:
    """Return ``images`` moved by ``voxels (batch, axes)`` by interpolation, as images that are turned are."""
    sides = torch.tensor(images.shape[2:])
    turns = torch.eye(voxels.shape[1]).expand(len(images), -1, -1)
    return place(images, turns, (2 * voxels / sides).flip(1), background=-1.0)


def drawn(shape: tuple[int, ...], largest: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(16, 2, *shape, generator=rng).requires_grad_()
    return images, torch.randint(-largest, largest + 1, (16, len(shape)), generator=rng)


def scores(images: Tensor) -> Tensor:
    """Return scores ``(batch,)`` that are not linear in the images."""
    return images.sin().square().flatten(1).sum(1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("largest", [3, 30])
def test_values_and_gradients_are_those_of_interpolation(shape: tuple[int, ...], largest: int) -> None:
    images, voxels = drawn(shape, largest)

    exact, rounded = shift_whole_voxels(images, voxels, background=-1.0), interpolated(images, voxels)

    (own,), (theirs,) = (torch.autograd.grad(moved.square().sum(), images) for moved in (exact, rounded))
    torch.testing.assert_close(exact, rounded, rtol=0, atol=1e-5)
    torch.testing.assert_close(own, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_second_derivatives_are_those_of_interpolation(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gandlf_synth.networks.placement.grid_sample", by_gathering)  # torch's has no second derivative
    images, voxels = drawn(shape)
    penalties = []

    for moved in (shift_whole_voxels(images, voxels, background=-1.0), interpolated(images, voxels)):
        (slope,) = torch.autograd.grad(scores(moved).sum(), images, create_graph=True)
        penalties.append(torch.autograd.grad(slope.square().sum(), images)[0])

    assert penalties[0].abs().max() > 1
    torch.testing.assert_close(*penalties, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_is_of_the_image_or_the_background_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    images, voxels = drawn(shape)
    images = images.detach().to(dtype)

    moved = shift_whole_voxels(images, voxels, background=-1.0)

    assert moved.dtype == dtype
    for image, shifted, steps in zip(images, moved, voxels.tolist(), strict=True):
        expected = image.roll([-step for step in steps], dims=list(range(1, image.ndim)))
        for axis, step in enumerate(steps, start=1):
            places = torch.arange(image.shape[axis]) + step
            outside = (places < 0) | (places >= image.shape[axis])
            expected.index_fill_(axis, outside.nonzero().flatten(), -1.0)
        assert torch.equal(shifted, expected)
