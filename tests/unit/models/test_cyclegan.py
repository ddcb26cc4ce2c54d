"""What cyclegan promises beyond the conformance suite: its pool, its terms, and what it refuses."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec, train

from gandlf_synth.config import SamplingOptions, Setting, Size
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.models.components.image_pool import ImagePool
from gandlf_synth.models.cyclegan.config import CycleGANConfig

SECTION = {"model_name": "cyclegan", "architecture": {"init_channels": 8, "norm_num_groups": 2, "blocks_down": [1, 1]}}


@pytest.mark.parametrize("size", ["XS", "S", "M"])
def test_thin_generators_learn_fast_and_their_discriminators_at_the_rate_of_the_paper(size: Size) -> None:
    keys = CycleGANConfig(model_name="cyclegan").choose_networks(Setting([64, 64], on_gpu=False), size)
    rates = {
        name: optimizer["lr"] for name, optimizer in cast("dict[str, dict[str, float]]", keys["optimizers"]).items()
    }

    assert rates["discriminator"] == 2e-4
    assert rates["generator"] >= 2e-4


def images_numbered(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def numbers_of(images: torch.Tensor) -> set[int]:
    return {int(image[0, 0, 0]) for image in images}


def test_a_full_pool_gives_old_images_for_half_of_the_new() -> None:
    torch.manual_seed(0)
    pool = ImagePool(20, (1, 2, 2))

    first = pool.exchange(images_numbered(0, 20))
    given = torch.cat([pool.exchange(images_numbered(20 + 10 * step, 10)) for step in range(40)])

    assert numbers_of(first) == set(range(20))
    new = sum(int(image[0, 0, 0]) >= 20 + 10 * (place // 10) for place, image in enumerate(given))
    assert 0.4 < new / len(given) < 0.6
    assert len(pool.kept) == 20


def test_a_pool_of_nothing_lets_images_pass() -> None:
    assert torch.equal(ImagePool(0, (1, 2, 2)).exchange(images_numbered(0, 3)), images_numbered(0, 3))


def test_the_translations_in_the_pool_are_no_part_of_the_model(tmp_path: Path) -> None:
    run = train("cyclegan", tmp_path, epochs=1)

    content: Any = read_checkpoint(run.folder.last)

    assert not [name for name in content["state_dict"] if "pool" in name]
    assert content["image_pools"]["target"].shape == (3, 1, *run.module.spec.shape)


def test_every_term_has_a_weight_and_0_leaves_it_out() -> None:
    def terms_of(**weights: float) -> set[str]:
        module: Any = tiny_module(tiny_config("cyclegan", {}, **weights), tiny_spec(2))
        losses, _, _ = module._pass_generators(torch.randn(2, 2, 10, 12), torch.randn(2, 1, 10, 12))
        assert len(losses) == len(module.terms)
        return set(module.terms)

    assert terms_of() == {"adversarial", "cycle", "identity", "shape"}
    assert terms_of(identity_weight=0, shape_weight=0) == {"adversarial", "cycle"}


def test_the_loss_is_that_of_the_paper() -> None:
    module: Any = tiny_module(tiny_config("cyclegan", {}), tiny_spec(2))
    source, target = torch.randn(2, 1, 10, 12), torch.randn(2, 1, 10, 12)
    known = torch.ones(2, 1, 10, 12)
    to_target, to_source = (lambda x: module._to_target(torch.cat([x, known], 1))), module._to_source

    losses, _, _ = module._pass_generators(torch.cat([source, known], 1), target)

    def l1(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one - other).abs().mean()

    def verdict(side: str, images: torch.Tensor) -> torch.Tensor:
        return ((module.adversaries[side].discriminator(images)[-1] - 1) ** 2).mean()

    there, back = to_target(source), to_source(target)
    expected = {
        "adversarial": verdict("target", there) + verdict("source", back),
        "cycle": 10 * (l1(to_source(there), source) + l1(to_target(back), target)),
        "identity": 5 * (l1(to_target(target), target) + l1(to_source(source), source)),
        "shape": 0.1 * (module.shape_loss(there, source) + module.shape_loss(back, target)),
    }
    for term, loss in zip(module.terms, losses, strict=True):
        torch.testing.assert_close(loss, expected[term], rtol=1e-5, atol=1e-6)


def test_sources_of_several_columns_are_translated_without_their_flags() -> None:
    part = ConditionPart(
        name="image", conditioner="image", kind="channels", size=5, facts={"channels": [1, 2]}, painted=True
    )
    module: Any = build_module(SECTION, tiny_spec(2).model_copy(update={"conditions": (part,)}))

    with torch.no_grad():
        assert module._to_source(torch.randn(2, 1, 10, 12)).shape == (2, 3, 10, 12)
        assert module._to_target(torch.randn(2, 6, 10, 12)).shape == (2, 1, 10, 12)


def test_anything_but_images_is_refused() -> None:
    image, age = (
        ConditionPart(name=name, conditioner=name, kind=kind, size=1)
        for name, kind in (("image", "channels"), ("age", "vector"))
    )

    with pytest.raises(ConfigError, match=r"conditioning: has age, and cyclegan translates images only"):
        build_module(SECTION, tiny_spec(2).model_copy(update={"conditions": (image, age)}))


def test_nothing_to_translate_is_an_error_that_says_so() -> None:
    module = tiny_module(tiny_config("cyclegan", {}), tiny_spec(2))

    with pytest.raises(ConfigError, match=r"was given none; give the rows of a CSV with Source_0"):
        module.sample([1], Condition(), SamplingOptions())
