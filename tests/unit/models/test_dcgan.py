"""What dcgan does besides what every model promises."""

from typing import Any

import pytest
import torch
from tests.factories import spec_of

from gandlf_synth.config import parse_document, validate
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.build import build_module
from gandlf_synth.models.dcgan import FAMILY
from gandlf_synth.testing import check_model

EXISTING = """\
# In the style of a configuration for the existing GaNDLF-Synth.
modality: rad
num_epochs: 5
batch_size: 4
data_preprocessing: {train: {resize: [64, 64]}, val: {resize: [64, 64]}, test: {resize: [64, 64]}}
model_config:
  model_name: dcgan
  labeling_paradigm: unlabeled
  n_channels: 1
  n_dimensions: 2
  tensor_shape: [64, 64]
  losses:
    - discriminator: {name: bce}
    - generator: {name: bce}
  optimizers:
    discriminator: {name: adam, lr: 0.0002, betas: [0.5, 0.999]}
    generator: {name: adam, lr: 0.0003, betas: [0.5, 0.999]}
  schedulers:
    discriminator: {type: step, step_size: 2}
    generator: {type: exp, gamma: 0.9}
  architecture: {latent_vector_size: 100, init_channels_discriminator: 64, init_channels_generator: 512,
                 growth_rate_discriminator: 2, growth_rate_generator: 2, leaky_relu_slope: 0.2}
"""


def module_of(shape: tuple[int, ...], classes: int = 2, **section: object) -> Any:
    spec = spec_of(classes=classes, shape=shape, spatial_dims=len(shape))
    return build_module({"model_name": "dcgan", **FAMILY.tiny, **section}, spec)


def test_a_configuration_of_the_existing_tool_keeps_each_networks_components() -> None:
    model = validate(parse_document(EXISTING, "existing.yaml")).config.model

    assert model.component("losses", "generator").name == "bce"
    assert model.component("optimizers", "generator").parameters["lr"] == 0.0003
    assert model.component("schedulers", "discriminator").name == "step"


@pytest.mark.parametrize(
    "section",
    [
        {"losses": {"name": "hinge"}, "architecture": {**FAMILY.tiny["architecture"], "spectral_norm": True}},
        {"losses": {"name": "plain_mean"}, "r1_gamma": 1.0, "gradient_clip_val": 1.0},
        {
            "losses": {"discriminator": {"name": "bce"}, "generator": {"name": "mse"}},
            "schedulers": {"discriminator": {"type": "step"}, "generator": {"type": "reduce_on_plateau"}},
            "accumulate_grad_batches": 2,
            "diffaugment": ["brightness", "contrast", "translation", "cutout"],
        },
        {
            "architecture": {
                **FAMILY.tiny["architecture"],
                "generator_norm": "group",
                "discriminator_norm": "group",
                "minibatch_std_group_size": 4,
                "upsampling": "linear",
            }
        },
    ],
    ids=["hinge, spectral norm", "wasserstein, r1, clipping", "per network, accumulation", "groups, variety"],
)
def test_every_option_keeps_every_promise(section: dict[str, object]) -> None:
    check_model("dcgan", paradigm="custom", model_config={**FAMILY.tiny, **section})


@pytest.mark.parametrize("shape", [(64, 64), (33, 17), (5, 3), (40, 4), (13, 9, 3)])
def test_any_size_comes_out_as_asked(shape: tuple[int, ...]) -> None:
    module = module_of(shape).eval()
    labels = torch.tensor([0, 1])

    images = module.generator(torch.randn(2, 8), labels)

    assert images.shape == (2, 1, *shape)
    assert module.discriminator(images, labels).shape == (2,)


def test_the_paper_s_network_for_64_pixels_has_its_channels() -> None:
    architecture = {"latent_vector_size": 100, "init_channels_generator": 512, "init_channels_discriminator": 64}
    module = module_of((64, 64), classes=0, architecture=architecture)

    assert [layer.convolution.in_channels for layer in module.generator.layers] == [512, 256, 128, 64]
    assert [layer.out_channels for layer in module.discriminator.convolutions] == [64, 128, 256, 512]


def test_groups_that_do_not_divide_are_refused_with_the_nearest_that_do() -> None:
    architecture = {**FAMILY.tiny["architecture"], "generator_norm": "group", "norm_num_groups": 6}

    with pytest.raises(
        ConfigError,
        match=r"model_config\.architecture\.norm_num_groups: 6 does not divide the 16 channels .*; the nearest that does is 4",
    ):
        module_of((8, 8), architecture=architecture)


def test_a_loss_of_classes_is_refused_with_those_that_judge() -> None:
    text = EXISTING.replace("{name: bce}", "{name: cel}")

    with pytest.raises(ConfigError, match="losses: cel needs classes; use bcelogits, hinge"):
        validate(parse_document(text, "existing.yaml"))


def test_networks_without_an_optimizer_are_named() -> None:
    module = module_of((8, 8), optimizers={"generator": {"name": "adam"}})

    with pytest.raises(ConfigError, match="names nothing for the network 'discriminator'"):
        module.check_components()
