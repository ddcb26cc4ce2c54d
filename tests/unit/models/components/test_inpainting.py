"""Every family with noise in it inpaints, and makes images larger than what it was trained on, without being trained for it."""

from typing import Any

import pytest
import torch
from tests.factories import spec_of
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition, class_condition
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.windowed_denoiser import in_windows

FAMILIES = [
    ("ddpm", {"prediction_type": "epsilon"}),
    ("ddpm", {"prediction_type": "sample"}),
    ("ddpm", {"prediction_type": "v_prediction"}),
    ("ddpm", {"prediction_type": "edm"}),
    ("flow_matching", {}),
    ("latent_diffusion", {}),
]
OPTIONS = SamplingOptions(num_inference_steps=2, jump_n_sample=2)


def module_of(family: str, section: dict[str, object], shape: tuple[int, ...] = (12, 10)) -> Any:
    torch.manual_seed(0)
    module = build_module(
        {"model_name": family, **registry.load("models", family).tiny, **section}, spec_of(shape=shape)
    )
    for weights in module.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return module.eval()


def known_of(shape: tuple[int, ...], count: int = 2) -> Known:
    region = torch.zeros(count, 1, *shape, dtype=torch.bool)
    region[..., 3:7, 4:8] = True
    return Known(torch.rand(count, 1, *shape) * 2 - 1, region)


def inpaint(module: Any, known: Known, seeds: list[int] | None = None) -> Tensor:
    with torch.inference_mode():
        return module.inpaint(seeds or list(range(len(known.clean))), class_condition([0, 1]), known, OPTIONS)


@pytest.mark.parametrize(("family", "section"), FAMILIES)
def test_voxels_outside_of_the_region_stay_to_the_last_bit(family: str, section: dict[str, object]) -> None:
    module, known = module_of(family, section), known_of((12, 10))

    made = inpaint(module, known)

    assert torch.equal(made[~known.region], known.clean[~known.region])
    assert not torch.equal(made[known.region], known.clean[known.region])
    assert made.abs().max() <= 1
    assert torch.equal(inpaint(module, known), made)


@pytest.mark.parametrize(("family", "section"), FAMILIES[:-1])
def test_what_was_in_the_region_does_not_matter(family: str, section: dict[str, object]) -> None:
    module, known = module_of(family, section), known_of((12, 10))
    other = Known(torch.where(known.region, torch.tensor(0.3), known.clean), known.region)

    assert torch.equal(inpaint(module, known), inpaint(module, other))


def test_an_inpainted_image_does_not_depend_on_the_others_of_its_batch() -> None:
    module, known = module_of("ddpm", {}), known_of((12, 10))

    together = inpaint(module, known, [5, 6])
    with torch.inference_mode():
        alone = module.inpaint([6], class_condition([1]), Known(known.clean[1:], known.region[1:]), OPTIONS)

    assert torch.allclose(together[1:], alone, atol=1e-5)


def test_images_larger_than_those_of_the_training_are_inpainted_in_windows() -> None:
    module, known = module_of("ddpm", {}), known_of((21, 17))

    made = inpaint(module, known)

    assert made.shape == known.clean.shape
    assert torch.equal(made[~known.region], known.clean[~known.region])


def test_each_window_gets_the_condition_of_its_image_and_its_place() -> None:
    def add(noisy: Tensor, timesteps: Tensor, class_labels: Tensor, channels: Tensor) -> Tensor:
        return noisy + 100 * timesteps.view(-1, 1, 1, 1) + 10 * class_labels.view(-1, 1, 1, 1) + channels

    noisy, channels = torch.rand(2, 1, 9, 8), torch.rand(2, 1, 9, 8)
    rows = {"timesteps": torch.tensor([1, 2]), "class_labels": torch.tensor([3, 4]), "channels": channels}

    fused = in_windows(add, (4, 8), 0.5)(noisy, **rows)

    assert torch.allclose(fused, add(noisy, **rows), atol=1e-4)


def test_the_size_of_what_is_made_is_that_of_the_images_it_is_made_from() -> None:
    condition = Condition({"image": torch.zeros(1, 2, 21, 17)})

    assert condition.image_shape == (21, 17)
    assert Condition({"age": torch.zeros(1, 2)}).image_shape == ()
