"""Which weights learn: parts by their names, changes of low rank where the networks have layers for them."""

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec

from gandlf_synth.errors import ConfigError
from gandlf_synth.models.autoencoder_kl.module import AutoencoderKL
from gandlf_synth.models.trained_weights import count_trained

LORA = {"rank": 2, "where": "all"}


@pytest.mark.parametrize("family", ["dcgan", "autoencoder_kl"])
def test_families_without_attention_say_what_to_use(family: str) -> None:
    message = (
        rf"model_config\.lora: changes attention, and the networks of this {family} have none that learn; use lora"
    )
    with pytest.raises(ConfigError, match=message):
        tiny_module(tiny_config(family, {}, lora={"rank": 2}), tiny_spec(2))


def test_layers_that_cannot_be_changed_are_named() -> None:
    with pytest.raises(ConfigError, match=r"changes linear or convolutional layers, and .* stylegan2 have none"):
        tiny_module(tiny_config("stylegan2", {}, lora=LORA), tiny_spec(2))


def test_what_judges_images_learns_as_a_whole() -> None:
    module = tiny_module(tiny_config("dcgan", {}, lora=LORA), tiny_spec(2))
    networks = module.networks_by_optimizer()
    assert all(weight.requires_grad for weight in networks["discriminator"].parameters())
    learned, plain = count_trained(networks["generator"])
    assert 0 < learned < plain


def test_a_frozen_part_keeps_its_weights_and_leaves_the_rest() -> None:
    module = tiny_module(tiny_config("autoencoder_kl", {}, freeze=["encoder"]), tiny_spec(2))
    assert isinstance(module, AutoencoderKL)
    assert not any(weight.requires_grad for weight in module.autoencoder.encoder.parameters())
    assert all(weight.requires_grad for weight in module.autoencoder.decoder.parameters())


def test_images_come_back_in_the_range_that_they_had_whatever_the_network_takes() -> None:
    architecture = {"num_channels": [4, 4], "norm_num_groups": 2, "value_range": [0.0, 1.0]}
    module = tiny_module(tiny_config("autoencoder_kl", {}, architecture=architecture), tiny_spec(2))
    assert isinstance(module, AutoencoderKL)
    seen: list[torch.Tensor] = []
    module.autoencoder.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images = torch.rand(2, 1, 10, 12) * 2 - 1
    latents = module.encode_mean(images)
    assert torch.allclose(seen[0][..., :10, :12], (images + 1) / 2)
    plain = module.autoencoder.decode(latents)[..., :10, :12]
    assert torch.allclose(module.decode(latents), plain * 2 - 1, atol=1e-6)
