"""What the autoencoder promises beyond the conformance suite: the Gaussian of latents, refused configurations."""

import pytest
import torch
from pydantic import ValidationError
from tests.factories import spec_of

from gandlf_synth.errors import ConfigError
from gandlf_synth.models.autoencoder_kl import FAMILY
from gandlf_synth.models.autoencoder_kl.config import AutoencoderKLArchitecture, AutoencoderKLConfig
from gandlf_synth.models.autoencoder_kl.prior import LatentGaussian
from gandlf_synth.models.build import build_module


def test_the_prior_has_the_moments_of_each_class() -> None:
    torch.manual_seed(0)
    prior = LatentGaussian(2, (1, 4))
    labels = torch.tensor([0, 1] * 50)
    for _ in range(10):
        means = torch.where(labels == 1, 3.0, -1.0)[:, None, None] + 0.5 * torch.randn(100, 1, 4)
        prior.fit(means, torch.full_like(means, 1.2), labels)

    drawn = prior.sample(range(4000), torch.ones(4000, dtype=torch.long))

    assert torch.allclose(prior.mean[0], torch.tensor(-1.0), atol=0.1)
    assert torch.allclose(drawn.mean(0), torch.tensor(3.0), atol=0.1)
    assert torch.allclose(drawn.std(0), torch.tensor(1.3), atol=0.1)  # √(0.5² + 1.2²): between and within posteriors


def test_groups_that_do_not_divide_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match=r"norm_num_groups 16 does not divide .*\[24, 48\]; .* is 12"):
        AutoencoderKLArchitecture(num_channels=[24, 48], norm_num_groups=16)


def test_windows_that_the_stride_does_not_divide_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValidationError, match=r"tile_shape \[30, 33\] must be multiples of 4; the nearest are \[32, 32\]"
    ):
        AutoencoderKLConfig(
            model_name="autoencoder_kl",
            architecture={"num_channels": [8, 8, 8], "norm_num_groups": 4, "attention_levels": [False] * 3},
            tile_shape=[30, 33],
        )


def test_a_class_that_a_batch_lacks_keeps_its_distribution() -> None:
    prior = LatentGaussian(3, (2, 4))
    mean, sigma = torch.randn(6, 2, 4), torch.rand(6, 2, 4)
    labels = torch.tensor([0, 2, 0, 2, 2, 0])

    prior.fit(mean, sigma, labels)

    for label in (0, 2):
        chosen = labels == label
        variance = (mean[chosen] ** 2 + sigma[chosen] ** 2).mean(0) - mean[chosen].mean(0) ** 2
        torch.testing.assert_close(prior.mean[label], mean[chosen].mean(0))
        torch.testing.assert_close(prior.std()[label], variance.sqrt(), rtol=1e-3, atol=1e-4)
    assert prior.count.tolist() == [3, 0, 3]
    assert bool((prior.mean[1] == 0).all())
    assert bool((prior.square[1] == 1).all())


def test_layers_that_an_image_is_too_small_for_are_refused_under_their_key() -> None:
    section = {**FAMILY.tiny, "architecture": {**FAMILY.tiny["architecture"], "discriminator_num_layers": 9}}
    message = r"model_config\.architecture\.discriminator_num_layers: is 9, .* of 16×16; allowed: 1 to 2"

    with pytest.raises(ConfigError, match=message):
        build_module({"model_name": "autoencoder_kl", **section}, spec_of(shape=(16, 16)))
