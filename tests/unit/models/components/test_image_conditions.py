"""Every family with noise in it takes images as conditions, knows when they are hidden, and is guided by them."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.latent_diffusion.latent_conditions import latent_condition
from gandlf_synth.models.sampling import sample_batches

SHAPE = (12, 10)
PARTS = (
    ConditionPart(name="image", conditioner="image", kind="channels", size=5, images=(1, 2), drop_fraction=0.1),
    ConditionPart(name="mask", conditioner="mask", kind="channels", size=3),
    ConditionPart(name="age", conditioner="scalar", kind="vector", size=2, drop_fraction=0.1),
)
FAMILIES: list[tuple[str, dict[str, object]]] = [
    ("ddpm", {}),
    ("ddpm", {"prediction_type": "edm"}),
    ("flow_matching", {}),
    ("latent_diffusion", {}),
]


def module_of(family: str, section: dict[str, object]) -> Any:
    torch.manual_seed(0)
    spec = spec_of(shape=SHAPE).model_copy(update={"conditions": PARTS, "labels": (), "class_names": ()})
    module = build_module({"model_name": family, **registry.load("models", family).tiny, **section}, spec)
    for weights in module.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return module.eval()


def condition_of(count: int = 2) -> Condition:
    flags = torch.ones(count, 1, *SHAPE)
    mask = torch.nn.functional.one_hot(torch.randint(0, 3, (count, *SHAPE)), 3).movedim(-1, 1).float()
    return Condition({
        "image": torch.cat([torch.rand(count, 3, *SHAPE) * 2 - 1, flags, flags, flags], 1),
        "mask": torch.cat([mask, flags], 1),
        "age": torch.tensor([[0.3, -0.2, 1.0]]).expand(count, -1),
    })  # fmt: skip


@pytest.mark.parametrize(("family", "section"), FAMILIES)
def test_images_are_made_from_images_and_guided_by_them(family: str, section: dict[str, object]) -> None:
    module, condition = module_of(family, section), condition_of(1)
    hidden = Condition({"mask": torch.zeros_like(condition["mask"])})

    def made(given: Condition, scale: float) -> torch.Tensor:
        (image,) = sample_batches(module, [([3], given)], SamplingOptions(num_inference_steps=2, guidance_scale=scale))
        return image

    plain, nothing = made(condition, 1), made(hidden, 1)
    assert plain.shape == (1, 1, *SHAPE)
    assert not torch.equal(plain, nothing)
    assert not torch.equal(plain, made(condition, 3))
    assert torch.equal(nothing, made(Condition(), 1))
    assert torch.allclose(nothing, made(hidden, 3), atol=1e-5)  # there is nothing to be guided by


@pytest.mark.parametrize(("family", "section"), FAMILIES)
def test_a_training_step_learns_from_conditions(family: str, section: dict[str, object]) -> None:
    module = module_of(family, section)
    batch = {"image": torch.rand(2, 1, *SHAPE) * 2 - 1, "condition": condition_of()}

    module.process.training_loss(module.encode(batch, "train"), module.encode_condition(batch["condition"])).backward()

    assert all(weights.grad is not None for weights in module.process.denoiser.parameters())


def test_masks_are_averaged_to_the_grid_of_latents_and_images_encoded() -> None:
    condition = condition_of()

    def encode(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(images, 4, 4, ceil_mode=True).repeat(1, 2, 1, 1) + 7

    encoded = latent_condition(condition, PARTS, 1, 4, encode)

    image, mask = encoded["image"], encoded["mask"]
    assert image.shape == (2, 3 * 2 + 3, 3, 3)
    assert torch.allclose(image[:, 0, 0, 0], condition["image"][:, 0, :4, :4].mean((1, 2)) + 7)
    assert (image[:, -3:] == 1).all()
    assert torch.allclose(mask.sum(1), torch.full((2, 3, 3), 2.0))
    assert torch.allclose(mask[:, 0, 0, 2], condition["mask"][:, 0, :4, 8:].mean((1, 2)))


def test_latents_of_an_image_that_is_missing_are_nothing() -> None:
    condition = condition_of()
    condition["image"][0, :1] = 0

    encoded = latent_condition(condition, PARTS, 1, 4, lambda images: torch.ones(len(images), 2, 3, 3))

    assert (encoded["image"][0, :2] == 0).all()
    assert (encoded["image"][0, 2:6] == 1).all()
    assert (encoded["image"][1, :6] == 1).all()


def test_a_flow_from_the_sources_starts_at_the_mean_of_those_there_are() -> None:
    module, condition = module_of("flow_matching", {"start": "source", "start_noise": 0}), condition_of()
    image = condition["image"].clone()
    image[1, 0], image[1, 3] = 0, 0  # the first source of the second row is missing

    start = module.process.start_from(torch.randn(2, 1, *SHAPE), Condition({"image": image}))

    sources = image[:, 0], image[:, 1:3].mean(1)
    assert torch.allclose(start[0, 0], (sources[0][0] + sources[1][0]) / 2)
    assert torch.allclose(start[1, 0], sources[1][1])


@pytest.mark.parametrize(
    ("family", "section"),
    [
        ("flow_matching", {"start": "source"}),
        (
            "latent_diffusion",
            {"second_stage": {"model_name": "flow_matching", "start": "source", "num_inference_steps": 2}},
        ),
    ],
)
def test_an_untrained_flow_that_stands_still_gives_the_sources_back(family: str, section: dict[str, Any]) -> None:
    if family == "latent_diffusion":
        tiny = registry.load("models", family).tiny["second_stage"]["architecture"]
        architecture = {name: value for name, value in tiny.items() if name != "num_train_timesteps"}
        section = {"second_stage": {**section["second_stage"], "architecture": architecture}}
    module, condition = module_of(family, section), condition_of(1)
    for weights in module.process.denoiser.parameters():
        torch.nn.init.zeros_(weights)

    (made,) = sample_batches(module, [([3], condition)], SamplingOptions(num_inference_steps=2))

    clean = condition["image"][:, :1] / 2 + condition["image"][:, 1:3].mean(1, keepdim=True) / 2
    if family == "flow_matching":
        assert (made - clean).std() < 0.12
    else:
        assert made.shape == clean.shape


def test_start_source_needs_sources_and_no_transport() -> None:
    tiny = registry.load("models", "flow_matching").tiny
    with pytest.raises(ConfigError, match=r"model_config.start: is source, and the model is made from no images"):
        build_module({"model_name": "flow_matching", **tiny, "start": "source"}, spec_of(shape=SHAPE))
    with pytest.raises(ValidationError, match="optimal_transport pairs images with noise"):
        build_module(
            {"model_name": "flow_matching", **tiny, "start": "source", "optimal_transport": True}, spec_of(shape=SHAPE)
        )
