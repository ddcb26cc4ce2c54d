"""A branch beside a finished denoiser: it begins as nothing, and only it learns."""

from typing import Any

import pytest
import torch
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.errors import CheckpointError, ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.sampling import sample_batches

SHAPE = (12, 10)
MASK = ConditionPart(name="mask", conditioner="mask", kind="channels", size=2)
AGE = ConditionPart(name="age", conditioner="scalar", kind="vector", size=2)


def module_of(family: str, parts: tuple[ConditionPart, ...], seed: int, base: str | None = None, **section: Any) -> Any:
    torch.manual_seed(seed)
    spec = spec_of(shape=SHAPE).model_copy(update={"conditions": parts})
    config = registry.load("models", family).config_class()
    written = config.model_validate({"model_name": family, **registry.load("models", family).tiny, **section})
    return build_module(written.model_copy(update={"controlnet_from": base}), spec)


def moved(module: Any) -> Any:
    for weights in module.process.denoiser.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return module.eval()


@pytest.mark.parametrize(("family", "parts"), [("ddpm", (AGE,)), ("flow_matching", ())])
def test_the_first_images_are_those_of_the_finished_model(family: str, parts: tuple[ConditionPart, ...]) -> None:
    base = moved(module_of(family, parts, 1))
    controlled = module_of(family, (*parts, MASK), 2, "base").eval()
    controlled.load_first_stage(base)
    known = Condition({"class": torch.tensor([1]), **({"age": torch.tensor([[0.2, 0.1, 1.0]])} if parts else {})})
    masked = Condition({**known, "mask": torch.rand(1, 3, *SHAPE)})

    made, expected = (
        next(sample_batches(module, [([3], condition)], SamplingOptions(num_inference_steps=2)))
        for module, condition in ((controlled, masked), (base, known))
    )

    assert torch.equal(made, expected)


def test_only_the_branch_learns() -> None:
    controlled = module_of("ddpm", (MASK,), 2, "base")
    controlled.load_first_stage(moved(module_of("ddpm", (), 1)))
    optimizer = torch.optim.SGD([each for each in controlled.parameters() if each.requires_grad], 1.0)
    before = {name: value.clone() for name, value in controlled.process.denoiser.state_dict().items()}
    condition = Condition({"class": torch.tensor([0, 1]), "mask": torch.ones(2, 3, *SHAPE)})

    for _ in range(3):
        optimizer.zero_grad()
        controlled.process.training_loss(torch.rand(2, 1, *SHAPE), condition).backward()
        optimizer.step()

    changed = {
        name for name, value in controlled.process.denoiser.state_dict().items() if not value.equal(before[name])
    }
    assert {name.split(".")[0] for name in changed} == {"branch"}
    assert any("controlnet_cond_embedding.conv_in" in name for name in changed)


def test_a_model_that_does_not_fit_is_refused() -> None:
    controlled = module_of("ddpm", (MASK,), 2, "base")

    with pytest.raises(CheckpointError, match="was trained with prediction_type = epsilon, not v_prediction"):
        controlled.load_first_stage(module_of("ddpm", (), 1, prediction_type="epsilon"))
    with pytest.raises(CheckpointError, match="has another network, or other classes and numbers"):
        controlled.load_first_stage(module_of("ddpm", (AGE,), 1))
    with pytest.raises(
        ConfigError, match="adds a branch that learns from images, and the model is conditioned on none"
    ):
        module_of("ddpm", (AGE,), 2, "base")
