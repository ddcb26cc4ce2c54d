"""Shapes are compared as MONAI's loss of registration compares them."""

import pytest
import torch
from monai.losses.image_dissimilarity import LocalNormalizedCrossCorrelationLoss

from gandlf_synth.models.components.shape_loss import ShapeLoss


@pytest.mark.parametrize("shape", [(20, 17), (9, 12, 10)])
def test_local_correlation_is_that_of_monai(shape: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(0)
    one, noise = (torch.rand(2, 1, *shape, generator=rng) * 2 - 1 for _ in range(2))
    other = 0.6 * one + 0.4 * noise

    loss = ShapeLoss("local_correlation", len(shape))(one, other)

    centered = [
        (each + 1) / 2 - ((each + 1) / 2).flatten(1).mean(1).view(-1, 1, *[1] * len(shape)) for each in (one, other)
    ]
    expected = LocalNormalizedCrossCorrelationLoss(len(shape), kernel_size=7, smooth_dr=1e-3)(*centered)
    torch.testing.assert_close(loss, 1 + expected, rtol=1e-5, atol=1e-6)
