"""What stylegan does besides what every model promises."""

import re
from typing import Any

import pytest
import torch
from tests.factories import spec_of
from torch import Tensor

from gandlf_synth.config import SamplingOptions, Setting, parse_document, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.stylegan import FAMILY
from gandlf_synth.models.stylegan.config import StyleGANArchitecture, StyleGANConfig
from gandlf_synth.networks.sizes import crop

THREE = {**FAMILY.tiny["architecture"], "progressive_layers_scaling_factors": [1, 1, "1/2"]}
THREE["progressive_epochs"] = [2, 4, 4]


def module_of(**section: object) -> Any:
    content = {"model_name": "stylegan", **FAMILY.tiny, "architecture": THREE, **section}
    return build_module(content, spec_of(classes=0, shape=(16, 16))).eval()


def architecture_of(**keys: object) -> StyleGANArchitecture:
    return StyleGANArchitecture.model_validate(keys)


def test_defaults_are_those_of_the_existing_tool() -> None:
    architecture = StyleGANArchitecture()

    assert architecture.progressive_layers_scaling_factors == [1, 1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]
    assert architecture.progressive_epochs == [30] * 8
    assert architecture.final_size == 512


@pytest.mark.parametrize(
    ("epochs", "stage", "alpha"),
    [(0, 0, 1), (1.9, 0, 1), (2, 1, 1e-7), (3, 1, 0.5), (4, 1, 1), (6, 2, 1e-7), (99, 2, 1)],
)
def test_a_resolution_fades_in_over_the_first_half_of_its_stage(epochs: float, stage: int, alpha: float) -> None:
    position = architecture_of(progressive_epochs=[2, 4, 4]).position(epochs)

    assert position == (stage, pytest.approx(alpha, abs=1e-6))


def test_one_list_is_enough_and_fractions_may_be_written_as_such() -> None:
    by_factors = architecture_of(progressive_layers_scaling_factors=[1, "1/2", 0.25])
    by_epochs = architecture_of(progressive_epochs=[5, 5, 5, 5])

    assert by_factors.progressive_layers_scaling_factors == [1, 0.5, 0.25]
    assert by_factors.progressive_epochs == [30] * 3
    assert by_epochs.progressive_layers_scaling_factors == [1, 1, 1, 0.5]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            "progressive_epochs: [3, 3], progressive_layers_scaling_factors: [1, 1, 1]",
            "progressive_layers_scaling_factors has 3 entries but progressive_epochs has 2; both need one per stage, 3 or 2",
        ),
        (
            "first_conv_channels: 16, progressive_layers_scaling_factors: [1, 1/32]",
            "0.03125 of first_conv_channels 16 leaves no channel; the least is 1/16",
        ),
    ],
)
def test_impossible_stages_are_refused(keys: str, message: str) -> None:
    text = f"model_config:\n  model_name: stylegan\n  architecture: {{{keys}}}\n"

    with pytest.raises(ConfigError, match=re.escape(message)):
        validate(parse_document(text, "config.yaml"))


def test_a_stage_that_does_not_exist_is_refused() -> None:
    text = "model_config: {model_name: stylegan, default_forward_step: 8, architecture: {}}"

    with pytest.raises(ConfigError, match=r"default_forward_step 8 is beyond the last of 8 stages.*; the largest is 7"):
        validate(parse_document(text, "config.yaml"))


def test_the_architecture_decides_the_size_and_says_when_a_run_ends_too_early() -> None:
    config = StyleGANConfig.model_validate({"model_name": "stylegan", "architecture": THREE})

    assert config.required_shape(3) == [16, 16, 16]
    assert config.plan_notes(10) == []
    assert "num_epochs 5 ends in stage 1 of 0 to 2, where images have 8 voxels" in config.plan_notes(5)[0]


def test_samples_come_from_the_stage_that_was_reached_or_the_one_that_is_asked_for() -> None:
    reached, asked = module_of(), module_of(default_forward_step=0)
    asked.load_state_dict(reached.state_dict())
    for module in (reached, asked):
        module.stage.fill_(1)

    images = reached.sample([1, 2], Condition(), SamplingOptions())
    coarse = asked.sample([1, 2], Condition(), SamplingOptions())

    assert images.shape == coarse.shape == (2, 1, 16, 16)
    assert reached.sampling_defaults(SamplingOptions()) == {"stage": 1}
    assert asked.sampling_defaults(SamplingOptions()) == {"stage": 0}
    detail = [image.diff(dim=3).diff(dim=3).abs().mean() for image in (images, coarse)]
    assert detail[1] < detail[0]


@pytest.mark.parametrize("shape", [(13, 10), (13, 10, 7)])
def test_images_of_any_size_are_padded_for_the_networks_and_cut_out_of_what_they_make(shape: tuple[int, ...]) -> None:
    config = StyleGANConfig.model_validate({"model_name": "stylegan"})
    config = config.with_networks(Setting(shape, on_gpu=False, epochs=4), "XS")
    spec = spec_of(classes=0, shape=shape, spatial_dims=len(shape))
    module: Any = build_module(config.model_dump(mode="json"), spec)
    module._position = (config.architecture.num_stages - 1, 1.0)
    module.stage.fill_(module._position[0])
    images = torch.rand(2, 1, *shape)

    samples = module.sample([1, 2], Condition(), SamplingOptions())
    seen = module._coarsen(images)

    assert config.required_shape(len(shape)) is None
    assert samples.shape == images.shape
    assert seen.shape[2:] == module.generator.shapes[-1]
    assert torch.equal(crop(seen, shape), images)


def test_a_resolution_of_no_weight_is_the_one_before_enlarged() -> None:
    module = module_of()
    latents = torch.randn(2, 8)

    def zeros(shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(2, 1, *shape)

    coarse = module.generator(latents, None, zeros, 0, 1.0)
    fading = module.generator(latents, None, zeros, 1, 0.0)

    enlarged = torch.nn.functional.interpolate(coarse.atanh(), (8, 8), mode="bilinear").tanh()
    torch.testing.assert_close(fading, enlarged, rtol=1e-3, atol=1e-4)
