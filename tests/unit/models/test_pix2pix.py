"""What pix2pix promises beyond the conformance suite: regression without a discriminator, any size, refused data."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.factories import spec_of
from tests.runs import tiny_config, tiny_module, tiny_spec, train

from gandlf_synth.config import SamplingOptions, parse_document, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.translation_config import TranslatorArchitecture
from gandlf_synth.testing import synthetic_condition


def pix2pix_of(dims: int = 2, **section: Any) -> Any:
    return tiny_module(tiny_config("pix2pix", {}, **section), tiny_spec(dims)).eval()


@pytest.mark.slow
def test_it_learns_to_turn_the_contrast(tmp_path: Path) -> None:
    fast = {"adversarial_weight": 0, "ema_decay": 0, "optimizers": {"name": "adamw", "lr": 5e-3}}

    run = train("pix2pix", tmp_path, epochs=30, section=fast)

    # the source is -image / 2; the mean of the images, which needs no source, has 0.28
    assert run.result.metrics["val_loss"] < 0.14


@pytest.mark.parametrize("conditioning", [["mask"], ["image", "region", {"low_resolution": {"factor": 2}}, "spacing"]])
def test_it_makes_images_from_whatever_images_and_numbers_there_are(conditioning: list[Any], tmp_path: Path) -> None:
    run = train("pix2pix", tmp_path, epochs=1, section={"conditioning": conditioning})
    condition = synthetic_condition(run.module.spec, 2)

    with torch.no_grad():
        image, nothing = (
            run.module.sample([1, 2], each, SamplingOptions()) for each in (condition, condition.hidden())
        )

    assert image.shape == (2, 1, *run.module.spec.shape)
    assert not torch.equal(image, nothing)


def test_without_an_adversarial_weight_there_is_no_discriminator() -> None:
    module = pix2pix_of(adversarial_weight=0)

    assert not [name for name, _ in module.named_parameters() if "adversary" in name]
    assert list(module._optimizers()) == ["generator"]


def test_one_condition_gives_one_image_whatever_the_seed() -> None:
    module = pix2pix_of()
    condition = synthetic_condition(module.spec, 1)

    one, other = (module.sample([seed], condition, SamplingOptions()) for seed in (1, 2))

    assert torch.equal(one, other)


def test_with_noise_the_seed_decides() -> None:
    tiny = {"init_channels": 8, "blocks_down": [1, 1], "norm_num_groups": 2, "noise_channels": 2}
    module = pix2pix_of(architecture=tiny)
    condition = synthetic_condition(module.spec, 1)

    one, other, again = (module.sample([seed], condition, SamplingOptions()) for seed in (1, 2, 1))

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("dims", [2, 3])
def test_images_larger_than_those_of_the_training_have_the_size_of_their_source(dims: int) -> None:
    module = pix2pix_of(dims)
    shape = tuple(2 * size + 1 for size in module.spec.shape)
    large = synthetic_condition(module.spec.model_copy(update={"shape": shape}), 2)

    with torch.no_grad():
        images = module.sample([1, 2], large, SamplingOptions())

    assert images.shape == (2, 1, *shape)
    assert float(images.abs().max()) <= 1


def test_of_an_image_with_a_region_only_the_region_is_judged() -> None:
    module = pix2pix_of(conditioning=["region"], adversarial_weight=0)
    part = next(part for part in module.spec.parts if part.name == "region")
    images = torch.rand(2, 1, *module.spec.shape)
    region = torch.zeros(2, part.width, *module.spec.shape)
    region[:, 1, 2:6, 2:6], region[:, 2] = 1, 1
    region[:, :1] = images * (1 - region[:, 1:2])
    batch = {"image": images, "condition": Condition({"region": region})}

    _, output = module.generator_loss(batch)
    made = module.sample([1, 2], batch["condition"], SamplingOptions())

    for each in (output, made):
        assert torch.equal(each[region[:, 1:2] == 0], images[region[:, 1:2] == 0])
        assert not torch.equal(each, images)


def test_an_image_whose_region_is_hidden_is_made_as_a_whole() -> None:
    module = pix2pix_of(conditioning=["region"])
    condition = synthetic_condition(module.spec, 1).hidden()

    made = module.sample([1], condition, SamplingOptions())

    assert made.abs().max() > 0  # nothing is known that could be kept


def test_a_class_that_is_not_known_is_no_class() -> None:
    module = pix2pix_of()
    condition = synthetic_condition(module.spec, 1)
    without = Condition({"image": condition["image"]})
    unknown = Condition({**condition, "class": torch.tensor([-1])})
    known = Condition({**condition, "class": torch.tensor([1])})

    images = [module.sample([1], each, SamplingOptions()) for each in (without, unknown, known)]

    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


@pytest.mark.parametrize("family", ["pix2pix", "cyclegan"])
def test_a_configuration_that_gives_no_images_says_what_to_add(family: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml:1: .*makes images from images.* add conditioning: \[image\]"):
        validate(parse_document(f"model_config: {{model_name: {family}}}", "c.yaml"))


def test_a_network_without_images_to_start_from_says_what_to_add() -> None:
    section = {"model_name": "pix2pix", "architecture": {}}

    with pytest.raises(ConfigError, match=r"model_config\.conditioning: .* add conditioning: \[image\]"):
        build_module(section, spec_of(shape=(16, 16)))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"init_channels": 12, "norm_num_groups": 8}, "norm_num_groups 8 does not divide init_channels 12; 6 does"),
        ({"blocks_down": [1, 2, 2], "blocks_up": [1]}, "blocks_up has 1 entries but must have 2"),
        ({"blocks_down": [1, 0]}, "at least one block"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(architecture: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TranslatorArchitecture(**architecture)
