"""Augmentation that says what it did: geometry as named, nothing at zero."""

import pytest
import torch
from torch.nn import functional

from gandlf_synth.networks.labeled_augmentation import LabeledAugmentation
from gandlf_synth.networks.placement import place


def test_an_image_that_is_left_alone_keeps_every_bit_and_its_numbers_are_zero() -> None:
    torch.manual_seed(0)
    images = torch.randn(64, 1, 9, 7)
    moved, told = LabeledAugmentation(2, probability=0.2)(images)
    alone = (told == 0).all(1)

    assert 10 < int(alone.sum()) < 54
    assert torch.equal(moved[alone], images[alone])
    assert not any(torch.equal(*pair) for pair in zip(moved[~alone], images[~alone], strict=True))
    assert (told[~alone, -1] == 1).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_nothing_is_mirrored_unless_an_axis_is_written(dims: int) -> None:
    assert LabeledAugmentation(dims).size == {2: 1 + 1 + 2 + 1, 3: 1 + 3 + 3 + 1}[dims]
    assert LabeledAugmentation(dims, mirror_axes=(0,)).size == LabeledAugmentation(dims).size + 1


def test_a_shift_moves_by_its_share_of_the_side_and_what_comes_in_is_mirrored() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8)
    moved = LabeledAugmentation(2, translation=0.25).apply(image, torch.tensor([[0.0, 0.0, 1.0, 0.0]]))

    assert moved[0, 0, 0].tolist() == pytest.approx([2, 3, 4, 5, 6, 7, 7, 6], abs=1e-4)


def test_a_quarter_turn_is_one() -> None:
    image = torch.randn(1, 2, 8, 8)
    moved = LabeledAugmentation(2, rotation_degrees=90).apply(image, torch.tensor([[0.0, 1.0, 0.0, 0.0]]))

    assert min((moved - torch.rot90(image, times, (2, 3))).abs().max() for times in (1, 3)) < 1e-4


def test_growth_shows_less_of_the_image_at_a_larger_size() -> None:
    image = torch.zeros(1, 1, 32, 32, 32)
    image[..., 12:20, 12:20, 12:20] = 1
    amounts = torch.zeros(1, 7)
    amounts[0, 0] = 1
    grown = LabeledAugmentation(3, scaling=0.5).apply(image, amounts)

    assert float(grown.sum() / image.sum()) == pytest.approx(1.5**3, rel=0.01)


def test_mirroring_exchanges_the_ends_of_the_axis() -> None:
    image = torch.randn(1, 1, 6, 5)
    mirrored = LabeledAugmentation(2, mirror_axes=(1,)).apply(image, torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0]]))

    assert torch.equal(mirrored, image.flip(3))


@pytest.mark.parametrize("shape", [(12, 10), (9, 8, 7)])
def test_what_is_outside_is_as_torch_reflects_it(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images, dims = torch.randn(3, 2, *shape), len(shape)
    matrix, shift = 0.7 * torch.eye(dims).repeat(3, 1, 1), 4 * torch.rand(3, dims) - 2
    grid = functional.affine_grid(torch.cat([matrix, shift[..., None]], 2), list(images.shape), align_corners=False)
    expected = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    assert torch.allclose(place(images, matrix, shift, background=None), expected, atol=1e-4)
