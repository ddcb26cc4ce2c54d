"""What ddpm's network and training do besides what every model promises."""

from typing import Any

import pytest
import torch
from tests.factories import spec_of

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.models.base import noise_from
from gandlf_synth.models.build import build_module
from gandlf_synth.models.ddpm import FAMILY
from gandlf_synth.testing import check_model
from gandlf_synth.training.callbacks.averaging import averaging_weight


def module_of(classes: int = 2, **section: object) -> Any:
    return build_module({"model_name": "ddpm", **FAMILY.tiny, **section}, spec_of(classes=classes, shape=(9, 7)))


def test_sizes_that_no_stride_divides_come_out_as_they_went_in() -> None:
    denoiser = module_of().process.denoiser

    assert denoiser(torch.zeros(2, 1, 9, 7), torch.tensor([0, 5])).shape == (2, 1, 9, 7)


def test_guidance_one_is_the_conditional_model_itself() -> None:
    module = module_of()
    condition = class_condition([0, 1])
    for weights in module.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=torch.Generator().manual_seed(0))

    plain = module.eval().sample([1, 2], condition, SamplingOptions())
    one = module.sample([1, 2], condition, SamplingOptions(guidance_scale=1.0))
    strong = module.sample([1, 2], condition, SamplingOptions(guidance_scale=4.0))

    assert torch.equal(plain, one)
    assert not torch.allclose(plain, strong)


@pytest.mark.parametrize(
    ("section", "options", "expected"),
    [
        ({"num_inference_steps": None}, {}, ("ddim", 20)),
        ({"sampler": "ddpm"}, {}, ("ddpm", 3)),
        ({}, {"sampler": "ddpm", "num_inference_steps": 7}, ("ddpm", 7)),
        (
            {"num_inference_steps": None, "architecture": FAMILY.tiny["architecture"] | {"num_eval_timesteps": 4}},
            {},
            ("ddpm", 4),
        ),
    ],
)
def test_sampler_and_steps_come_from_the_call_then_the_configuration(
    section: dict[str, object], options: dict[str, object], expected: tuple[str, int]
) -> None:
    defaults = module_of(**section).sampling_defaults(SamplingOptions(**options))

    assert (defaults["sampler"], defaults["num_inference_steps"]) == expected


@pytest.mark.parametrize(
    "section",
    [{"prediction_type": "epsilon"}, {"prediction_type": "sample"}, {"prediction_type": "edm"}, {"min_snr_gamma": 5.0}],
)
def test_every_objective_trains(section: dict[str, object]) -> None:
    check_model("ddpm", paradigm="custom", model_config={**FAMILY.tiny, **section})


def test_conditioning_by_cross_attention_keeps_every_promise() -> None:
    architecture = FAMILY.tiny["architecture"] | {"with_conditioning": True, "cross_attention_dim": 8}

    check_model("ddpm", paradigm="custom", model_config={**FAMILY.tiny, "architecture": architecture})


def test_noise_of_an_image_depends_on_its_seed_alone() -> None:
    together, _ = noise_from([5, 6, 7], (1, 4))
    alone, _ = noise_from([6], (1, 4))

    assert torch.equal(together[1:2], alone)
    assert torch.equal(together[0], torch.randn(1, 4, generator=torch.Generator().manual_seed(5)))


def test_the_average_follows_closely_at_first_and_slowly_later() -> None:
    first, late = averaging_weight(0.999, steps=0), averaging_weight(0.999, steps=100_000)

    assert first == pytest.approx(0.9)
    assert late == pytest.approx(0.001)
