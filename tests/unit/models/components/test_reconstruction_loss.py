"""The error of reconstructions: the same in half precision, and with gradients that have a bound."""

import pytest
import torch
from torch import nn

from gandlf_synth.models.components.reconstruction_loss import ReconstructionLoss
from gandlf_synth.models.vqvae.config import VQVAEConfig


@pytest.mark.parametrize("background", [-1.0, 0.0, 0.7])
def test_half_precision_does_not_change_the_error_nor_blow_up_its_gradient(background: float) -> None:
    torch.manual_seed(0)
    config = VQVAEConfig(model_name="vqvae", structure_weight=1.0, gradient_weight=0.1)
    error = ReconstructionLoss(config, nn.L1Loss(reduction="none"), (32, 32))
    images = torch.full((4, 1, 32, 32), background)
    images[:, :, 8:24, 8:24] = torch.rand(4, 1, 16, 16)
    found, slopes = [], []
    for half in (False, True):
        output = (background + 0.02 * torch.randn(images.shape, generator=torch.manual_seed(1))).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found.append(error(output, images))
        found[-1].backward()
        slopes.append(output.grad)

    assert found[0].item() == pytest.approx(found[1].item(), rel=1e-4)
    assert torch.allclose(slopes[0], slopes[1], atol=1e-6)
