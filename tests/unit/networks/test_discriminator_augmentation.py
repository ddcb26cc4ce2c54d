"""What a discriminator sees lies where it should, in whatever precision the networks compute."""

import pytest
import torch
from torch import Tensor

from gandlf_synth.networks.discriminator_augmentation import AnatomicalAugmentation, DiffAugment

STILL = {"rotation_degrees": 0.0, "translation": 0.0, "brightness": 0.0, "contrast": 0.0}


def ramps(*shape: int) -> Tensor:
    """Return one image for each axis whose value is the number of the voxel along it, ``(axes, 1, *shape)``."""
    axes = torch.meshgrid(*[torch.arange(float(size)) for size in shape], indexing="ij")
    return torch.stack(axes)[:, None]


def augmented(augment: AnatomicalAugmentation, images: Tensor, *, bf16: bool, probability: float = 1.0) -> Tensor:
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return augment(images, probability)


@pytest.mark.parametrize("shape", [(256, 256), (256, 160), (48, 64, 40)])
@pytest.mark.parametrize("change", [{"translation": 0.08}, {"rotation_degrees": 7.0}])
def test_voxels_go_to_the_same_place_in_bfloat16_as_in_32_bits(
    shape: tuple[int, ...], change: dict[str, float]
) -> None:
    augment = AnatomicalAugmentation(**{**STILL, **change})

    in_32_bits, in_bf16 = (augmented(augment, ramps(*shape), bf16=bf16) for bf16 in (False, True))

    assert not torch.allclose(in_32_bits, ramps(*shape))
    torch.testing.assert_close(in_bf16, in_32_bits, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(256, 256), (33, 17), (13, 9, 7)])
def test_images_of_probability_zero_are_the_same_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    images = torch.randn(2, 3, *shape).to(dtype)

    unchanged = augmented(AnatomicalAugmentation(mirror_axis=0), images, bf16=True, probability=0.0)

    assert torch.equal(unchanged, images.float())


def test_a_shift_moves_the_image_by_whole_voxels_up_to_that_share_of_its_sides() -> None:
    columns = ramps(64, 256)[1:].expand(32, -1, -1, -1)
    augment = AnatomicalAugmentation(**{**STILL, "translation": 0.08})

    moved = augmented(augment, columns, bf16=True)

    steps = (moved - columns)[:, 0, 16:-16, 32:-32].flatten(1)
    assert bool((steps == steps[:, :1]).all())
    assert bool((steps == steps.round()).all())
    assert 0.04 * 256 < float(steps.abs().max()) <= 0.08 * 256 + 0.5


@pytest.mark.parametrize("shape", [(33, 17), (13, 9, 7)])
def test_voxels_keep_their_values_to_the_bit_where_images_are_only_shifted_and_mirrored(shape: tuple[int, ...]) -> None:
    images = torch.randn(16, 2, *shape)
    augment = AnatomicalAugmentation(**{**STILL, "translation": 0.2}, mirror_axis=0)

    seen = augmented(augment, images, bf16=False)

    assert not torch.equal(seen, images)
    for image, moved in zip(images, seen, strict=True):
        assert set(moved.flatten().tolist()) <= {*image.flatten().tolist(), -1.0}


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
@pytest.mark.parametrize("probability", [0.2, 0.8])
def test_a_discriminator_still_sees_checkerboards(shape: tuple[int, ...], probability: float) -> None:
    places = torch.meshgrid(*[torch.arange(size) for size in shape], indexing="ij")
    board = ((sum(places) % 2) * 2.0 - 1).expand(256, 1, *shape)
    augment = AnatomicalAugmentation(brightness=0.0, contrast=0.0)

    seen = augmented(augment, board, bf16=False, probability=probability)[(..., *[slice(8, -8)] * len(shape))]

    assert float(seen.square().mean()) > 0.99


def test_gradients_reach_images_that_moved_and_images_that_did_not() -> None:
    images = torch.rand(8, 1, 32, 32, requires_grad=True)

    augmented(AnatomicalAugmentation(), images, bf16=True, probability=0.3).sum().backward()

    assert images.grad is not None
    assert bool((images.grad[:, 0, 12:20, 12:20].abs() > 0.5).all())


def test_diffaugment_shifts_by_whole_voxels_in_bfloat16() -> None:
    images = ramps(256, 256)[:1].to(torch.bfloat16) / 256
    torch.manual_seed(0)

    with torch.autocast("cpu", torch.bfloat16):
        moved = DiffAugment(["translation"])(images)

    assert set(moved.flatten().tolist()) <= {*images.flatten().tolist(), -1.0}
