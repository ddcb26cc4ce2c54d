"""How far a reconstruction is from its image: the loss of autoencoders."""

from collections.abc import Sequence
from functools import cached_property

import torch
from monai.losses import SSIMLoss
from torch import Tensor, nn

from gandlf_synth.metrics.perceptual import PerceptualDistance
from gandlf_synth.models.components.perceptual_loss import build_perceptual
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig

_SSIM_WINDOW = 7


class ReconstructionLoss(nn.Module):
    """The error per voxel, 1 - SSIM, the error of the image gradients and the perceptual distance, weighted and added.

    Args:
        config: the weights, and the network.
        loss: the error per voxel, one value per element.
        shape: of the images, without channels.
    """

    def __init__(self, config: ReconstructionConfig, loss: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.config, self.loss, self.spatial_dims = config, loss, len(shape)
        self.structure = SSIMLoss(len(shape), win_size=min(_SSIM_WINDOW, *shape))

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the error of ``output`` against ``images (batch, channels, *shape)``, both in [-1, 1]; a scalar."""
        config = self.config
        error: Tensor = self.loss(output, images).mean()
        if config.structure_weight:
            error = error + config.structure_weight * self._dissimilarity(output, images)
        if config.gradient_weight:
            errors = [(output.diff(dim=axis) - images.diff(dim=axis)).abs().mean() for axis in range(2, images.ndim)]
            error = error + config.gradient_weight * torch.stack(errors).mean()
        if self._perceptual is not None:
            error = error + config.perceptual_weight * self._perceptual.to(output.device)(output, images)
        return error

    def _dissimilarity(self, output: Tensor, images: Tensor) -> Tensor:
        """Return 1 - SSIM, in 32 bits: in 16, differences of squares fall below 0 and the quotient has no bound."""
        with torch.autocast(output.device.type, enabled=False):
            dissimilarity: Tensor = self.structure((output.float() + 1) / 2, (images.float() + 1) / 2)
        return dissimilarity

    def check(self) -> None:
        """Load the perceptual network, where there is one, so that what is wrong with it is said before training.

        Raises:
            ConfigError: it, or its weights, cannot be used.
            MissingExtraError: the package with the weights is not installed.
        """
        _ = self._perceptual

    @cached_property
    def _perceptual(self) -> PerceptualDistance | None:
        # Not a submodule: its weights are not the model's, which is saved and used without them.
        config = self.config
        if config.perceptual_network is None:
            return None
        return build_perceptual(config.perceptual_network, config.perceptual_weights, self.spatial_dims)
