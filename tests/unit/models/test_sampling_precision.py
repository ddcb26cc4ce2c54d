"""Images that are sampled in 16 bits are those of 32 bits but for rounding."""

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.models.sampling import sample_batches
from gandlf_synth.testing import synthetic_condition


@pytest.mark.parametrize("family", sorted(registry.names("models")))
def test_images_of_16_bits_are_near_those_of_32_and_both_come_in_32(family: str) -> None:
    module = tiny_module(tiny_config(family, {}), tiny_spec(2)).eval()
    with torch.no_grad():
        for weights in module.parameters():  # zeros at a network's end would hide everything before
            weights.add_(0.02 * torch.randn_like(weights))
    batch = ((11, 12, 13), synthetic_condition(module.spec, 3))

    whole, half = (
        next(sample_batches(module, [batch], SamplingOptions(precision=precision)))
        for precision in (None, "bf16-mixed")
    )

    assert whole.dtype == half.dtype == torch.float32
    assert not torch.equal(whole, half)
    assert float((whole - half).abs().mean()) < 0.02
    assert float((whole - half).abs().max()) < 0.15
