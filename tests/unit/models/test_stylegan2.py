"""What stylegan2 does besides what every model promises."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.factories import spec_of

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.models.build import build_module
from gandlf_synth.models.stylegan2 import FAMILY
from gandlf_synth.testing import check_model


def module_of(shape: tuple[int, ...] = (16, 16), classes: int = 2, **section: object) -> Any:
    spec = spec_of(classes=classes, shape=shape, spatial_dims=len(shape))
    return build_module({"model_name": "stylegan2", **FAMILY.tiny, **section}, spec).eval()


@pytest.mark.parametrize("shape", [(33, 17), (5, 3), (13, 9, 3)])
def test_any_size_comes_out_as_asked(shape: tuple[int, ...]) -> None:
    module = module_of(shape)
    labels = torch.tensor([0, 1])

    images = module.sample([1, 2], class_condition([0, 1]), SamplingOptions())

    assert images.shape == (2, 1, *shape)
    assert module.discriminator(images, labels).shape == (2,)


def test_every_option_keeps_every_promise() -> None:
    section = {"r1_gamma": 1.0, "augmentation_mirrors": True, "augmentation_probability": 0.5, "truncation_psi": 0.7}

    check_model(
        "stylegan2", paradigm="custom", model_config={**FAMILY.tiny, **section, "style_mixing_probability": 1.0}
    )


def test_truncation_to_zero_gives_the_mean_style_of_the_class() -> None:
    module = module_of(truncation_psi=0.0)
    for layer in module.generator.modules():
        if hasattr(layer, "noise_strength"):
            torch.nn.init.zeros_(layer.noise_strength)
    mapping = module.generator.mapping
    mapping.update_mean_style(mapping(torch.randn(50, 8), torch.arange(50) % 2), torch.arange(50) % 2)

    images = module.sample([1, 2, 3], class_condition([0, 0, 1]), SamplingOptions())

    torch.testing.assert_close(images[0], images[1])
    assert not torch.allclose(images[0], images[2])


def test_the_mean_style_is_that_of_each_class() -> None:
    mapping = module_of().generator.mapping
    styles = torch.stack([torch.full((8,), 1.0), torch.full((8,), 3.0), torch.full((8,), -5.0)])

    for _ in range(2000):
        mapping.update_mean_style(styles, torch.tensor([0, 0, 1]))

    torch.testing.assert_close(mapping.mean_style[:, 0], torch.tensor([2.0, -5.0]), rtol=1e-3, atol=0)


def test_noise_changes_the_image_without_changing_its_style() -> None:
    module = module_of(classes=0)
    for layer in module.generator.modules():
        if hasattr(layer, "noise_strength"):
            torch.nn.init.ones_(layer.noise_strength)
    styles = torch.randn(1, module.generator.num_styles, 8)

    one, other = (module.generator(styles, lambda shape: torch.randn(1, 1, *shape)) for _ in range(2))

    assert not torch.allclose(one, other)


def test_without_noise_inputs_a_style_makes_one_image() -> None:
    module = module_of(classes=0, architecture={**FAMILY.tiny["architecture"], "noise_inputs": False})
    styles = torch.randn(1, module.generator.num_styles, 8)

    one, other = (module.generator(styles, lambda shape: torch.randn(1, 1, *shape)) for _ in range(2))

    assert torch.equal(one, other)
    assert not [name for name in module.state_dict() if "noise" in name]


@pytest.mark.parametrize(("scores", "grows"), [([3.0, 2.0, 1.0], True), ([1.0, -1.0, -2.0], False)])
def test_augmentation_grows_while_the_discriminator_knows_the_real_images(scores: list[float], grows: bool) -> None:
    module = module_of(augmentation_probability=0.5, augmentation_images=120)

    probabilities = [_adapted(module, scores, turn) for turn in (1, 2, 3, 4)]

    assert probabilities == pytest.approx([0.5, 0.5, 0.5, 0.6 if grows else 0.4])  # four batches are judged together


def test_the_usual_weight_of_the_penalty_follows_the_images_of_all_processes() -> None:
    torch.manual_seed(0)
    module, labels = module_of(), torch.tensor([0, 1, 0, 1])
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    family = type(module)

    def penalty(processes: int, part: slice) -> torch.Tensor:
        module.__class__ = type("Alone", (family,), {"turns": 0, "processes": processes})
        return module._gradient_penalty(images[part], labels[part]).detach()

    halves = [penalty(2, slice(0, 2)), penalty(2, slice(2, 4))]  # of two processes, whose gradients are averaged

    torch.testing.assert_close(sum(halves) / 2, penalty(1, slice(0, 4)), rtol=0.02, atol=0)


def test_augmentation_never_grows_until_changed_images_pass_for_real_ones() -> None:
    module = module_of(augmentation_probability=0.79, augmentation_images=10)

    assert [_adapted(module, [1.0], turn) for turn in (1, 2, 3, 4)][-1] == pytest.approx(0.8)


def _adapted(module: Any, scores: list[float], turn: int) -> float:
    module.trainer = SimpleNamespace(global_step=2 * turn, distributed_sampler_kwargs=None)
    module._adapt(torch.tensor(scores))
    return float(module.probability)
