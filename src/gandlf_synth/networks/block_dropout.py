"""Dropout in the residual blocks of MONAI's diffusion U-Net, which has none; names of weights stay as they are."""

from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from torch import Tensor, nn

from gandlf_synth.batch_draws import draw_rand


class Dropout(nn.Module):
    """Sets a share of the features to 0 in training, alike however many processes share the batch.

    Args:
        fraction: of the features.

    Example:
        >>> import torch
        >>> Dropout(0.5).eval()(torch.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction

    def forward(self, features: Tensor) -> Tensor:
        """Return ``features (batch, …)``; those that stay are scaled up by as much as is missing."""
        if not self.training:
            return features
        kept = draw_rand(features.shape, features.device) >= self.fraction
        return features * kept / (1 - self.fraction)


def add_dropout(unet: nn.Module, fraction: float) -> None:
    """Let the residual blocks of ``unet`` drop a share of their features before the last convolution, in training.

    That is where Ho et al. 2020 (arXiv 2006.11239) and Karras et al. 2022 (arXiv 2206.00364) have it.
    """
    for block in unet.modules():
        if isinstance(block, DiffusionUNetResnetBlock):
            layers = {"dropout": Dropout(fraction), **dict(block.conv2.named_children())}
            del block.conv2[:]
            for name, layer in layers.items():
                block.conv2.add_module(name, layer)
