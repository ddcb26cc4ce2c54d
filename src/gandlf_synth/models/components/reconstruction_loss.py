"""How far an image is from the one that it should be: the loss of autoencoders and of translation."""

from collections.abc import Sequence
from functools import cached_property

import torch
from monai.losses import SSIMLoss
from torch import Tensor, nn

from gandlf_synth.metrics.perceptual import PerceptualDistance
from gandlf_synth.models.components.perceptual_loss import build_perceptual
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig
from gandlf_synth.models.components.segmentation_features import SegmentationDistance, build_segmentation

_SSIM_WINDOW = 7


class ReconstructionLoss(nn.Module):
    """The error per voxel, 1 - SSIM, the error of the image gradients and distances of networks, weighted and added.

    Args:
        config: the weights, and the network.
        loss: the error per voxel, one value per element.
        shape: of the images, without channels.
        channels: of the images.
    """

    def __init__(self, config: ReconstructionConfig, loss: nn.Module, shape: Sequence[int], channels: int = 1) -> None:
        super().__init__()
        self.config, self.loss, self.shape, self.channels = config, loss, tuple(shape), channels
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
        if self._segmentation is not None:
            error = error + config.segmenter_weight * self._segmentation.to(output.device)(output, images)
        return error

    def _dissimilarity(self, output: Tensor, images: Tensor) -> Tensor:
        """Return 1 - SSIM, in 32 bits: in 16, differences of squares fall below 0 and the quotient has no bound."""
        with torch.autocast(output.device.type, enabled=False):
            dissimilarity: Tensor = self.structure((output.float() + 1) / 2, (images.float() + 1) / 2)
        return dissimilarity

    def check(self) -> None:
        """Load the networks that compare, where there are any, so that what is wrong is said before training.

        Raises:
            ConfigError: one of them, or its weights, cannot be used.
            MissingExtraError: the package with the weights is not installed.
        """
        _ = self._perceptual, self._segmentation

    @cached_property
    def _perceptual(self) -> PerceptualDistance | None:
        # Not a submodule: its weights are not the model's, which is saved and used without them.
        config = self.config
        if config.perceptual_network is None:
            return None
        return build_perceptual(config.perceptual_network, config.perceptual_weights, len(self.shape))

    @cached_property
    def _segmentation(self) -> SegmentationDistance | None:
        path = self.config.segmenter
        return None if path is None else build_segmentation(path, self.shape, self.channels)
