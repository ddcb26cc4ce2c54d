"""Weights that load without an error and compute something else are found before training, with the cause."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth.config import InitFrom
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import CheckpointError
from gandlf_synth.models.autoencoder_kl.module import AutoencoderKL
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.pretrained.contract import check_contract
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.pretrained.terms import Terms
from gandlf_synth.testing import synthetic_spec

SHAPE = (16, 16)
ARCHITECTURE = {"num_channels": [64, 64], "norm_num_groups": 8, "latent_channels": 8}
UNET = {"num_channels": [8, 8], "attention_levels": [False, True], "num_res_blocks": 1, "norm_num_groups": 4,
        "num_head_channels": 4}  # fmt: skip


def smooth_images() -> Tensor:
    """Eight waves, ``(8, 1, 16, 16)`` in [-1, 1]."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 16), torch.linspace(-1, 1, 16), indexing="ij")
    waves = [torch.sin(2 * x + number) * torch.cos(2 * y - number) for number in range(8)]
    return torch.stack(waves)[:, None] * 0.9


def batch() -> Batch:
    return {"image": smooth_images(), "condition": Condition(), "index": torch.arange(8)}


def parent(**facts: Any) -> Parent:
    start = InitFrom(path="vae.pt", **facts)
    return Parent(start, "monai", {}, {}, ("prediction_type",), None, None, None, Terms(), "0" * 16)


def autoencoder(**architecture: Any) -> AutoencoderKL:
    torch.manual_seed(0)
    section = {"model_name": "autoencoder_kl", "architecture": {**ARCHITECTURE, **architecture}}
    module = build_module({**section, "adversarial_weight": 0}, synthetic_spec(SHAPE, 1, "unlabeled"))
    assert isinstance(module, AutoencoderKL)
    return module


@torch.no_grad()
def trained(**architecture: Any) -> AutoencoderKL:
    """An autoencoder whose last layer is the best for the eight waves, whatever the others are."""
    module, images = autoencoder(**architecture).eval(), smooth_images()
    low, high = module.value_range
    wanted = low + (images + 1) * (high - low) / 2
    last: Any = module.autoencoder.decoder.blocks[-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module.reconstruct(images, Condition())
    hook.remove()
    patches = functional.unfold(seen[0], 3, padding=1).transpose(1, 2).flatten(0, 1)
    columns = torch.cat([patches, torch.ones(len(patches), 1)], 1)
    weights = torch.linalg.lstsq(columns, wanted.flatten()[:, None]).solution.flatten()
    last.conv.weight.copy_(weights[:-1].view_as(last.conv.weight))
    last.conv.bias.copy_(weights[-1:])
    return module


@pytest.fixture(scope="module")
def linear() -> AutoencoderKL:
    return trained(upsampling="linear")


def test_the_right_network_passes(linear: AutoencoderKL) -> None:
    assert check_contract(parent(), linear, batch()).startswith("8 training images are reconstructed at ")


def test_nearest_upsampling_loads_strictly_and_is_caught_with_the_cause(linear: AutoencoderKL) -> None:
    wrong = autoencoder(upsampling="nearest")
    wrong.load_state_dict(linear.state_dict(), strict=True)

    with pytest.raises(CheckpointError) as error:
        check_contract(parent(), wrong, batch())

    message = str(error.value)
    assert "init_from vae.pt: reconstructs 8 training images at " in message
    assert "its decoder was trained with linear upsampling, with which it is " in message
    assert "allowed: 25 dB or more" in message
    assert message.endswith("write architecture: {upsampling: linear}")


def test_another_range_of_values_is_caught_with_the_cause() -> None:
    right = trained(value_range=[0.0, 1.0])
    wrong = autoencoder()
    wrong.load_state_dict(right.state_dict())

    with pytest.raises(CheckpointError, match=r"trained on values in \[0, 1\].*write architecture: \{value_range: \[0"):
        check_contract(parent(), wrong, batch())
    assert wrong.value_range == (-1.0, 1.0), "trying changes nothing"


def test_weights_of_other_images_are_refused_in_words(linear: AutoencoderKL) -> None:
    with pytest.raises(CheckpointError, match=r"images are not like those that it was trained on; .*compare modality"):
        check_contract(parent(), autoencoder(), batch())
    assert check_contract(parent(min_psnr=0), autoencoder(), batch())


def denoiser(steps: int) -> GenerativeModule:
    torch.manual_seed(0)
    section = {"model_name": "ddpm", "architecture": UNET}
    module = build_module(section, synthetic_spec(SHAPE, 1, "unlabeled"))
    assert isinstance(module, DenoisingModule)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        module.process.training_loss(smooth_images(), Condition()).backward()
        optimizer.step()
    return module


def test_a_denoiser_has_to_know_noise_better_than_one_without_training() -> None:
    assert "without training it is" in check_contract(parent(), denoiser(12), batch())
    wrong = denoiser(0)
    for weight in wrong.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    with pytest.raises(CheckpointError) as error:
        check_contract(parent(), wrong, batch())
    assert "predicts noise no better than a network without training: loss " in str(error.value)
    assert "prediction_type are not told by the weights and may be others" in str(error.value)


def test_the_check_leaves_random_numbers_as_they_are(linear: AutoencoderKL) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_contract(parent(), linear, batch())
    assert torch.equal(torch.rand(3), expected)
