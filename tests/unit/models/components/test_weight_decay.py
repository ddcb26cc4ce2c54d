"""No family's default optimizer pulls weights towards zero in place of their gradients."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.factories import spec_of
from tests.runs import train

from gandlf_synth import registry
from gandlf_synth.config import load_config
from gandlf_synth.models.build import build_module
from gandlf_synth.optim import build_optimizer

GANS = ("dcgan", "stylegan", "stylegan2")
FAMILIES = sorted(registry.entries("models"))
SHIPPED = sorted((Path(__file__).parents[4] / "configs").glob("*.yaml"))


def movement_without_gradient(config: Any) -> float:
    """Return the largest change of a weight of 100 whose gradient is 0, as a share of the weight."""
    changes = []
    for network in config.networks:
        component = config.component("optimizers", network)
        weight = torch.nn.Parameter(torch.full((3,), 100.0))
        optimizer = build_optimizer(component, [weight], "model_config.optimizers")
        weight.grad = torch.zeros(3)
        optimizer.step()
        changes.append(float((1 - weight.detach() / 100).abs().max()))
    return max(changes)


@pytest.mark.parametrize("family", GANS)
def test_a_weight_without_gradient_stays_where_it_is_in_a_gan(family: str) -> None:
    config = registry.load("models", family).config_class()(model_name=family)

    assert movement_without_gradient(config) == 0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_configuration_pulls_no_weight_harder_than_decoupled_decay(path: Path) -> None:
    config = load_config(path).config.model

    assert movement_without_gradient(config) <= (0 if config.model_name in GANS else 2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_decay_of_other_families_is_decoupled_and_small(family: str) -> None:
    config = registry.load("models", family).config_class()(model_name=family)

    assert movement_without_gradient(config) <= 2e-5


@pytest.mark.parametrize("family", ["stylegan", "stylegan2"])
def test_a_step_of_the_mapping_network_is_not_a_step_towards_zero(family: str, tmp_path: Path) -> None:
    run = train(family, tmp_path, samples=4, epochs=1, section={"ema_decay": 0.0})
    torch.manual_seed(0)
    before = build_module(run.module.config.model_dump(mode="json"), run.module.spec)

    pairs = zip(before.generator.mapping.parameters(), run.module.generator.mapping.parameters(), strict=True)
    steps = [(start.detach(), (end - start).detach()) for start, end in pairs if start.ndim > 1]
    weights, step = (torch.cat([part.flatten() for part in parts]) for parts in zip(*steps, strict=True))
    assert step.norm() > 0
    assert abs(float(torch.cosine_similarity(step, -weights, dim=0))) < 0.25


def test_a_written_decay_is_kept_and_one_that_nobody_wrote_is_told() -> None:
    config = registry.load("models", "stylegan2").config_class()
    written = config(model_name="stylegan2", optimizers={"name": "adam", "weight_decay": 1e-3})
    tiny = registry.load("models", "stylegan2").tiny
    unwritten = config(model_name="stylegan2", optimizers={"name": "adam", "lr": 1e-3}, **tiny)
    module = build_module(unwritten.model_dump(mode="json"), spec_of(shape=(8, 8)))

    assert movement_without_gradient(written) > 0
    assert written.plan_notes(1) == []
    assert module._optimizers()["generator"].defaults["weight_decay"] == 5e-5
    assert "write weight_decay: 0 in optimizers" in unwritten.plan_notes(1)[0]
