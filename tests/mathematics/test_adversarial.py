"""The mathematics of adversarial training against closed forms."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gandlf_synth.config import Component
from gandlf_synth.losses import build_loss
from gandlf_synth.losses.adversarial import adversarial_loss
from gandlf_synth.losses.gradient_penalties import path_lengths, r1_penalty, wasserstein_penalty
from gandlf_synth.models.components.energy_distance import EnergyDistance
from gandlf_synth.networks.discriminator_augmentation import AnatomicalAugmentation, DiffAugment
from gandlf_synth.networks.equalized_layers import EqualizedLinear, ModulatedConvolution, minibatch_stddev
from gandlf_synth.networks.sizes import resolutions

SHAPES = [(3, 2, 8, 6), (3, 2, 6, 4, 5)]
REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])


def loss_of(name: str) -> nn.Module:
    return build_loss(Component(name=name), "losses")


def linear_critic(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda images: (images * weight).flatten(1).sum(1)


@pytest.mark.parametrize("shape", SHAPES)
def test_r1_of_a_linear_critic_is_its_squared_norm(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape[1:])

    penalty = r1_penalty(linear_critic(weight), torch.randn(shape))

    torch.testing.assert_close(penalty, weight.square().sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_wasserstein_penalty_is_zero_for_a_critic_of_slope_one(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape[1:])
    real, fake = torch.randn(shape), torch.randn(shape)

    one = wasserstein_penalty(linear_critic(weight / weight.norm()), real, fake)
    three = wasserstein_penalty(linear_critic(3 * weight / weight.norm()), real, fake)

    torch.testing.assert_close(one, torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(three, torch.tensor(4.0))


def test_path_length_of_a_linear_generator_is_the_norm_of_its_jacobian_in_the_mean() -> None:
    styles = torch.zeros(4000, 1, 3, requires_grad=True)
    jacobian = torch.randn(3, 1, 4, 4)
    images = torch.einsum("bls,schw->bchw", styles, jacobian)

    squared = path_lengths(images, styles).square().mean()

    torch.testing.assert_close(squared, jacobian.square().sum() / 16, rtol=0.1, atol=0)


def test_a_penalty_can_be_minimised() -> None:
    weight = torch.randn(2, 8, 6, requires_grad=True)

    r1_penalty(linear_critic(weight), torch.randn(3, 2, 8, 6)).backward()

    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_losses_of_the_game_are_those_of_the_papers() -> None:
    zero = torch.tensor(0.0)
    softplus, relu = torch.nn.functional.softplus, torch.relu
    expected = {
        "bcelogits": (softplus(-REAL).mean() + softplus(FAKE).mean(), softplus(-FAKE).mean()),
        "bce": (softplus(-REAL).mean() + softplus(FAKE).mean(), softplus(-FAKE).mean()),
        "hinge": (relu(1 - REAL).mean() + relu(1 + FAKE).mean(), -FAKE.mean()),
        "mse": ((REAL - 1).square().mean() + FAKE.square().mean(), (FAKE - 1).square().mean()),
        "plain_mean": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    }
    for name, (discriminator_loss, generator_loss) in expected.items():
        loss = adversarial_loss(loss_of(name))
        torch.testing.assert_close(loss.for_discriminator(REAL, FAKE) + zero, discriminator_loss)
        torch.testing.assert_close(loss.for_generator(FAKE) + zero, generator_loss)


@pytest.mark.parametrize("dims", [2, 3])
def test_modulated_convolution_equals_a_convolution_with_scaled_weights_per_image(dims: int) -> None:
    layer = ModulatedConvolution(dims, 3, 4, 3, 5)
    features, style = torch.randn(2, 3, *[6] * dims), torch.randn(2, 5)
    convolution = torch.nn.functional.conv2d if dims == 2 else torch.nn.functional.conv3d

    output = layer(features, style)

    for image, one_style, result in zip(features, style, output, strict=True):
        scales = layer.scales(one_style[None])[0].view(1, 3, *[1] * dims)
        weight = layer.weight * layer._scale * scales
        weight = weight / (weight.flatten(1).square().sum(1) + 1e-8).sqrt().view(4, *[1] * (dims + 1))
        torch.testing.assert_close(result, convolution(image[None], weight, padding=1)[0], rtol=1e-4, atol=1e-5)


def test_equalized_weights_keep_the_variance() -> None:
    torch.manual_seed(0)

    output = EqualizedLinear(512, 256, rate=0.01)(torch.randn(64, 512))

    assert output.std().item() == pytest.approx(1, rel=0.05)


def test_equal_images_have_no_variety_and_different_ones_do_whatever_the_batch() -> None:
    same = torch.ones(6, 2, 4, 4)

    seen = minibatch_stddev(same, 4)

    assert seen.shape == (6, 3, 4, 4)
    assert seen[:, 2].max() < 1e-3
    for batch in (5, 8):
        assert minibatch_stddev(torch.randn(batch, 2, 4, 4), 4)[:, 2].min() > 0.5


@pytest.mark.parametrize(
    ("shape", "coarsest"), [((64, 64), (4, 4)), ((10, 12, 9), (5, 6, 5)), ((96, 3), (6, 1)), ((3, 2), (2, 1))]
)
def test_resolutions_halve_any_size(shape: tuple[int, ...], coarsest: int) -> None:
    sizes = resolutions(shape)

    assert sizes[0] == shape
    assert sizes[-1] == coarsest


def distance(real: Tensor, fake: Tensor) -> float:
    measure = EnergyDistance()
    for start in range(0, len(real), 16):
        measure.update(real[start : start + 16], fake[start : start + 16])
    return measure.compute().item()


@pytest.mark.parametrize("size", [(16, 16), (9, 8, 7)])
def test_energy_distance_is_zero_in_expectation_for_one_distribution_and_grows_with_difference(
    size: tuple[int, ...],
) -> None:
    torch.manual_seed(0)
    real = torch.rand(64, 1, *size)

    same = distance(real, torch.rand(64, 1, *size))
    brighter = distance(real, torch.rand(64, 1, *size) + 0.2)
    collapsed = distance(real, torch.rand(1, 1, *size).expand_as(real))
    blurred = distance(real, torch.full_like(real, 0.5) + 0.01 * torch.randn(64, 1, *size))

    assert abs(same) < 0.02
    assert min(brighter, collapsed, blurred) > 10 * abs(same)


@pytest.mark.parametrize("shape", SHAPES)
def test_augmentation_of_probability_zero_changes_nothing(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape)

    torch.testing.assert_close(AnatomicalAugmentation(mirror_axis=0)(images, 0.0), images)
    torch.testing.assert_close(DiffAugment([])(images), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_augmentation_passes_gradients_on_and_differs_between_images(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.rand(1, *shape[1:]).expand(shape).clone().requires_grad_()

    for augmented in (
        AnatomicalAugmentation()(images, 1.0),
        DiffAugment(["brightness", "contrast", "translation", "cutout"])(images),
    ):
        augmented.sum().backward()
        assert images.grad is not None
        assert not torch.allclose(augmented[0], augmented[1])


def test_anatomy_is_never_upside_down_and_mirrored_only_when_allowed() -> None:
    torch.manual_seed(0)
    image = torch.zeros(64, 1, 16, 16)
    image[:, :, :4, :8] = 1
    still = {"rotation_degrees": 0, "translation": 0, "brightness": 0, "contrast": 0}

    plain = AnatomicalAugmentation(**still)(image, 1.0)
    mirrored = AnatomicalAugmentation(**still, mirror_axis=1)(image, 1.0)

    torch.testing.assert_close(plain, image)
    flipped = (mirrored[:, 0, 0, 15] > 0.5).float().mean()
    assert 0.3 < flipped < 0.7
    assert mirrored[:, :, 8:].max() < 0.5


def test_translation_moves_whole_voxels_and_fills_with_background() -> None:
    torch.manual_seed(0)
    images = torch.ones(32, 1, 16, 16)

    moved = DiffAugment(["translation"])(images)

    assert set(moved.unique().tolist()) == {-1.0, 1.0}
    assert moved[:, :, 4:12, 4:12].min() == 1
