"""Denoisers that are told of augmentation: training sees it, validation and samples do not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.config import InitFrom, SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import CheckpointError, ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.checkpoint import write_safetensors
from gandlf_synth.pretrained.matching import match_weights
from gandlf_synth.pretrained.parent import read_parent
from gandlf_synth.testing import check_model

FAMILIES = ["ddpm", "flow_matching"]
AGE = ConditionPart(name="age", conditioner="number", kind="vector", size=1)
MASK = ConditionPart(name="mask", conditioner="mask", kind="channels", size=1)


def module_of(family: str, augmentation: object = 1.0, parts: tuple[ConditionPart, ...] = (), classes: int = 0) -> Any:
    tiny = registry.load("models", family).tiny
    torch.manual_seed(0)
    spec = spec_of(classes=classes, shape=(8, 8), conditions=parts)
    module = build_module({"model_name": family, **tiny, "labeled_augmentation": augmentation}, spec)
    for weights in module.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=torch.Generator().manual_seed(0))
    return module


def seen_by_denoiser(module: Any) -> list[dict[str, Any]]:
    """Return a list that grows by what the network is given at every call."""
    seen: list[dict[str, Any]] = []
    module.process.denoiser.register_forward_pre_hook(
        lambda _, given, named: seen.append({"noisy": given[0], **named}), with_kwargs=True
    )
    return seen


@pytest.mark.parametrize("family", FAMILIES)
def test_training_says_what_was_done_and_samples_say_nothing_was(family: str) -> None:
    module = module_of(family)
    seen = seen_by_denoiser(module)
    module.loss_of_subject(Batch(image=torch.rand(3, 1, 8, 8), condition=Condition(), index=torch.arange(3)))
    module.eval().sample([1, 2], Condition(), SamplingOptions())

    assert (seen[0]["vector"] != 0).all()
    assert len(seen) > 1
    assert all((call["vector"] == 0).all() for call in seen[1:])


@pytest.mark.parametrize("family", FAMILIES)
def test_with_a_probability_of_zero_the_loss_is_that_of_the_images_themselves(family: str) -> None:
    module = module_of(family, 0.0)
    batch = Batch(image=torch.rand(3, 1, 8, 8), condition=Condition(), index=torch.arange(3))
    clean, condition = module.augmentation(batch["image"], Condition())

    assert torch.equal(clean, batch["image"])
    assert (condition["labeled augmentation"] == 0).all()


def test_numbers_of_other_conditions_come_first_and_are_hidden_as_ever() -> None:
    module = module_of("ddpm", parts=(AGE,))
    seen = seen_by_denoiser(module)
    condition = Condition({"age": torch.tensor([[0.5, 1.0], [0.25, 1.0]])})
    module.eval().sample([1, 2], condition, SamplingOptions())

    assert seen[0]["vector"][:, :2].tolist() == [[0.5, 1.0], [0.25, 1.0]]
    assert (seen[0]["vector"][:, 2:] == 0).all()


def test_a_mask_moves_with_the_image() -> None:
    module = module_of("ddpm", {"probability": 1.0, "mirror_axes": [0]}, parts=(MASK,))
    images = torch.rand(4, 1, 8, 8)
    condition = Condition({"mask": torch.cat([images, torch.ones_like(images)], 1)})
    clean, moved = module.augmentation(images, condition)

    assert not torch.allclose(clean, images)
    assert torch.equal(moved["mask"][:, :1], clean)
    assert torch.allclose(moved["mask"][:, 1], torch.ones(4, 8, 8))


def test_guidance_without_conditions_is_still_refused() -> None:
    with pytest.raises(ConfigError, match="needs classes"):
        module_of("ddpm").check_sampling(SamplingOptions(guidance_scale=2.0))


def test_an_exported_network_is_the_one_that_samples() -> None:
    module = module_of("ddpm", parts=(AGE,))
    exported = module.export_networks()["denoiser"]
    noisy, timesteps, vector = exported.inputs
    whole = torch.cat([vector, torch.zeros(len(vector), 5)], 1)

    assert torch.equal(
        exported.network(*exported.inputs), module.eval().process.denoiser(noisy, timesteps, vector=whole)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_families_keep_their_promises_with_it(family: str) -> None:
    tiny = registry.load("models", family).tiny
    check_model(family, paradigm="custom", model_config={**tiny, "labeled_augmentation": {"probability": 0.5}})


def test_class_labels_and_augmentation_go_together() -> None:
    module = module_of("ddpm", classes=2)
    images = module.eval().sample([1, 2], Condition({"class": torch.tensor([0, 1])}), SamplingOptions(guidance_scale=2))

    assert images.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("parents", "childs", "order"),
    [
        ((), (AGE,), "labeled augmentation .4., and conditioning gives age .1., labeled augmentation .4."),
        ((AGE,), (AGE,), ""),
    ],
)
def test_numbers_of_a_parent_keep_their_meaning(
    parents: tuple[ConditionPart, ...], childs: tuple[ConditionPart, ...], order: str, tmp_path: Path
) -> None:
    module = module_of("ddpm", parts=parents)
    write_safetensors(module, tmp_path / "model.safetensors")
    parent = read_parent(InitFrom(path=str(tmp_path / "model.safetensors")), "ddpm")
    child = module_of("ddpm", parts=childs)

    if not order:
        assert not match_weights(parent, child).new
        return
    with pytest.raises(CheckpointError, match=order):
        match_weights(parent, child)
